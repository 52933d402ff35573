// What the gate's words, the states and the steps of a retraining are called.

import { make } from "./dom.js";
import { mark, t } from "./i18n.js";
import { chip } from "./models-parts.js";

const VERDICTS = {
  better: [mark("passed: it is better"), "good"],
  not_worse: [mark("passed: it is no worse"), "good"],
  not_better: [mark("not passed: not shown to be better"), "bad"],
  refused: [mark("not passed"), "bad"],
};

/** The gate's word as a chip; null: no gate ever judged it. */
export function verdictChip(verdict) {
  if (!verdict) return chip(t("not judged by the gate"));
  const [word, tone] = VERDICTS[verdict] ?? [verdict, null];
  return chip(t(word), tone);
}

export const passed = (verdict) => verdict === "better" || verdict === "not_worse";

const REASONS = {
  first: mark("There was no model to compare it with."),
  better: mark("It is right more often, and that is not chance."),
  better_lately: mark("It is better on the newest photographs."),
  not_better: mark("It is not shown to be better: the difference may be chance."),
  too_few_images: mark("The golden set has too few photographs to decide anything."),
  too_few_grades: mark("The golden set has too few fruit of some grades."),
  class_order: mark("Its grades stand in the wrong order."),
  accuracy: mark("It is right too rarely."),
  recall: mark("It recognises a grade too rarely."),
  far_errors: mark("It is far off too often, such as 2L for S."),
  cost: mark("Its errors cost too much."),
  calibration: mark("It is surer, or less sure, than it may be."),
  coverage: mark("It would leave too many fruit to the manual lane."),
  recent: mark("It is worse on the newest photographs."),
  corrections: mark("It is worse on fruit that people corrected."),
  latency: mark("It is too slow."),
  parity: mark("Its file does not reckon as the training did."),
  cam: mark("Its heat maps do not add up to its answers."),
  leak: mark("It was trained on photographs of the golden set."),
  grade_set: mark("It grades by other grades."),
  not_finite: mark("It gives answers that are no numbers."),
};

/** The gate's reasons in words, each once. A code that this page does not know is said by the service's own words. */
export function reasonItems(reasons) {
  const codes = [...new Set(reasons.map((one) => one.code))];
  const own = (code) => make("span", { lang: "en" }, reasons.find((one) => one.code === code).text);
  return codes.map((code) => make("li", {}, REASONS[code] ? t(REASONS[code]) : own(code)));
}

const STATES = {
  running: [mark("running"), null],
  interrupted: [mark("interrupted"), "bad"],
  cancelled: [mark("cancelled"), null],
  failed: [mark("failed"), "bad"],
  refused: [mark("not passed"), "bad"],
  published: [mark("challenger made"), "good"],
  promoted: [mark("promoted"), "good"],
};

export function stateChip(state) {
  const [word, tone] = STATES[state] ?? [state, null];
  return chip(t(word), tone);
}

const OUTCOMES = {
  interrupted: mark("It was interrupted, such as by a power cut. What was finished is kept, and it can go on from there."),
  cancelled: mark("It was cancelled. What was finished is kept, and it can go on from there."),
  failed: mark("It ended with an error. The model that grades is the same as before."),
  refused: mark("The new model did not pass the gate. The model that grades is the same as before."),
  published: mark("Version {version} passed the gate and waits as the challenger. It does not grade yet."),
  promoted: mark("Version {version} passed the gate and took over the grading."),
};

/** How a retraining ended, in a sentence. */
export const outcome = ({ state, version }) => t(OUTCOMES[state] ?? "", { version });

export const STEPS = ["waiting", "intake", "training", "gate", "publish", "promote"];
const STEP_WORDS = {
  waiting: mark("Start"),
  intake: mark("Look at the photographs"),
  training: mark("Train"),
  gate: mark("Judge"),
  publish: mark("Publish"),
  promote: mark("Promote"),
};
export const stepWord = (step) => t(STEP_WORDS[step]);

const DOING = [
  [/^reading/, mark("Reading photographs")],
  [/^suspecting labels/, mark("Looking for labels that may be wrong")],
  [/^keeping/, mark("Keeping the new photographs")],
  [/^fine-tuning/, mark("Going on from the model that grades now")],
  [/^training/, mark("Training a model from scratch")],
  [/^exporting/, mark("Writing the new model")],
  [/^comparing/, mark("Comparing what was trained")],
  [/^grading/, mark("Grading the golden set with both models")],
  [/^publish/, mark("Publishing the new model")],
  [/^promote/, mark("Handing the grading over")],
  [/^(waiting)?$/, mark("Starting")],
];

/** What a retraining does just now. */
export function doing(text) {
  const known = DOING.find(([pattern]) => pattern.test(text));
  return known ? make("span", {}, t(known[1])) : make("span", { lang: "en" }, text);
}
