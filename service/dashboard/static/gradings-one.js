// The page of one grading: everything that is known of it, and what people say of it.

import { ask } from "./api.js";
import { exactly } from "./dialog.js";
import { at } from "./dom.js";
import { gradeWord, gradingPage, whyPage } from "./fruit.js";
import { around } from "./gradings-around.js";
import { probabilityBars, timingBar } from "./gradings-charts.js";
import { askCorrection, correctionsOf, history, takeBack } from "./gradings-corrections.js";
import { growerOf, measures, modelAndRules, origin, verdict } from "./gradings-facts.js";
import { showLarge } from "./gradings-photo.js";
import { wall } from "./gradings-tile.js";
import { mark, onLanguage, say, t } from "./i18n.js";
import { may } from "./session.js";
import { toast } from "./toast.js";

const SIMILAR = 12;
const SIMILAR_MS = 20_000;
const BY = {
  embedding: mark("Nearest first, among the newest photographs, as the network sees them."),
  probabilities: mark("Nearest first, among the newest photographs, by how probable each grade was."),
};

const id = idInAddress();
const path = `/v1/gradings/${encodeURIComponent(id)}`;
const found = { grading: null, corrections: [], profile: null, grower: null, similar: [], mayCorrect: null };
let wrong = null;

onLanguage(() => (trouble(wrong), draw()));
at("correct").addEventListener("click", correct);
document.addEventListener("senka:link", ({ detail }) => {
  if (detail !== "open") return;
  if (wrong) load();
  else if (found.grading && found.mayCorrect === null) part("mayCorrect", may("operator"));
});
if (id === null) nowhere();
else load();

/** null where the address is nobody's: "%" alone stands for no letter. */
function idInAddress() {
  try {
    return decodeURIComponent(location.pathname.split("/").at(-1));
  } catch (error) {
    if (error instanceof URIError) return null;
    throw error;
  }
}

function nowhere() {
  at("busy").hidden = true;
  at("unknown").hidden = false;
}

function trouble(problem) {
  wrong = problem;
  at("trouble").replaceChildren(...(problem ? [problem.words(), " ", ...exactly(problem)] : []));
}

async function load() {
  try {
    found.grading = await ask(path);
    trouble(null);
  } catch (problem) {
    at("busy").hidden = true;
    if (problem.code === "grading_not_found") {
      trouble(null);
      return nowhere();
    }
    if (!problem.words) throw problem;
    return trouble(problem);
  }
  at("busy").hidden = true;
  at("one").hidden = false;
  showLarge(found.grading);
  draw();
  // the page is there without these; each comes when it comes
  const { lot, profile } = found.grading;
  await Promise.all([
    part("mayCorrect", may("operator")),
    part("corrections", correctionsOf(id)),
    part("profile", profile ? ask(`/v1/profiles/${profile.version}`) : null),
    part("grower", growerOf(lot)),
    ways(),
    alike(),
  ]);
}

/** What does not come is left out: the grading itself says enough. */
async function part(name, asking) {
  try {
    found[name] = await asking;
    draw();
  } catch (problem) {
    if (!problem.words && !(problem instanceof Response)) throw problem;
  }
}

function draw() {
  const { grading, corrections, profile, grower, similar, mayCorrect } = found;
  if (!grading) return;
  at("verdict").replaceChildren(...verdict(grading));
  at("probabilities").replaceChildren(...probabilityBars(grading));
  at("corrections").replaceChildren(...history(corrections, mayCorrect ? undo : null));
  at("measures").replaceChildren(...measures(grading));
  at("origin").replaceChildren(...origin(grading, grower));
  at("model").replaceChildren(...modelAndRules(grading, profile));
  at("timing").replaceChildren(...timingBar(grading));
  at("similar").replaceChildren(...(similar.length ? [wall(similar)] : []));
  at("correct").hidden = !mayCorrect;
  at("why").hidden = !grading.grade;
  at("why").href = whyPage(id);
}

async function ways() {
  const neighbours = await around(found.grading).catch((problem) => (problem.words ? {} : Promise.reject(problem)));
  for (const way of ["earlier", "later"]) {
    if (neighbours[way]) at(way).href = gradingPage(neighbours[way]);
    else at(way).setAttribute("aria-disabled", "true"); // a link without an address cannot be followed anyway
  }
}

async function alike() {
  say(at("similar-said"), "Looking…");
  try {
    const answer = await ask(`${path}/similar?limit=${SIMILAR}`, { waitMs: SIMILAR_MS });
    found.similar = answer.gradings;
    if (found.similar.length) say(at("similar-said"), BY[answer.by]);
    else say(at("similar-said"), "There is no other photograph yet to compare it with.");
    draw();
  } catch (problem) {
    if (!problem.words) throw problem;
    say(at("similar-said"), "They cannot be looked up at the moment.");
  }
}

async function correct() {
  const made = await askCorrection(found.grading);
  if (!made) return;
  toast(t("Corrected to {grade}", { grade: gradeWord(made.grade) }), { action: t("Undo"), run: () => undo(made) });
  await again();
}

async function undo(correction) {
  try {
    await takeBack(correction);
    await again();
    at("correct").focus(); // the button that was pressed is gone
  } catch (problem) {
    if (!problem.words) throw problem;
    toast(problem.words(), { bad: true });
  }
}

async function again() {
  try {
    const [grading, corrections] = await Promise.all([ask(path), correctionsOf(id)]);
    Object.assign(found, { grading, corrections });
    draw();
  } catch (problem) {
    if (!problem.words) throw problem;
    toast(problem.words(), { bad: true });
  }
}
