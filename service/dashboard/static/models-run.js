// One retraining: as steps with how far it is while it runs, and as what came of it in words once it has ended.

import { make, sign } from "./dom.js";
import { duration, moment, number, percent, t } from "./i18n.js";
import { english, fact, folded, named, report } from "./models-parts.js";
import { doing, outcome, reasonItems, stateChip, STEPS, stepWord } from "./models-words.js";

const root = document.documentElement.dataset.root;
const RESUMABLE = ["interrupted", "cancelled", "failed"];
const took = (run) => duration(Date.parse(run.finished_at ?? run.updated_at) - Date.parse(run.started_at));

/** The one that runs. `cancel(run)` only for an admin. */
export function running(run, { cancel } = {}) {
  const steps = STEPS.filter((step) => step !== "promote" || run.request.promote);
  const place = steps.indexOf(run.stage);
  const share = run.of ? run.done / run.of : null;
  const far = share !== null && t("{done} of {all}, {share}", { done: number(run.done), all: number(run.of), share: percent(share) });
  const progress = make("progress", { max: 1, value: share, "aria-label": t("How far this step is") });
  return make(
    "article",
    { class: "run", "aria-labelledby": "running-title" },
    make("h3", { id: "running-title" }, t("A retraining is running")),
    make("p", { class: "quiet" }, t("since {when}", { when: moment(run.started_at) }), run.request.by ? [" · ", named(run.request.by)] : ""),
    make("ol", { class: "steps" }, steps.map((step, index) => stepItem(step, index - place))),
    make(
      "div",
      { class: "advance" },
      progress,
      make("p", { role: "status" }, doing(run.doing), far && ` · ${far}`),
    ),
    run.cancelling
      ? make("p", { class: "missing" }, t("It was asked to stop, and does so at its next step."))
      : null,
    links(run, !run.cancelling && cancel && button("cancel", t("Cancel the retraining"), () => cancel(run))),
  );
}

const button = (key, word, onclick) => make("button", { type: "button", class: "button", "data-key": key, onclick }, word);

function stepItem(step, from) {
  const state = from < 0 ? "done" : from > 0 ? "later" : "now";
  const mark = { done: sign("sign-good"), now: sign("sign-wait"), later: make("span", { class: "dot", "aria-hidden": "true" }) }[state];
  return make(
    "li",
    { "data-step": state, "aria-current": state === "now" ? "step" : null },
    mark,
    make("span", {}, stepWord(step)),
    state === "done" ? make("span", { class: "unseen" }, t("done")) : null,
  );
}

/** One that has ended. `resume(run)` only for an admin, and while no other runs. */
export function ended(run, { resume } = {}) {
  const reasons = run.gate?.reasons ?? [];
  return make(
    "li",
    { class: "row" },
    make(
      "div",
      { class: "row-said" },
      make("h4", {}, moment(run.started_at)),
      make("p", {}, stateChip(run.state)),
      make("p", {}, said(run)),
      reasons.length ? make("ul", { class: "because" }, reasonItems(reasons)) : null,
      folded(`run ${run.id}`, t("More"), facts(run), links(run), exact(run)),
    ),
    resume && RESUMABLE.includes(run.state)
      ? make("div", { class: "buttons" }, button(`resume ${run.id}`, t("Go on with it"), () => resume(run)))
      : null,
  );
}

function said(run) {
  const { state, version, request, gate } = run;
  if (state === "refused" && gate?.passed) return t("It came out the same as a model that was rolled back, so it does not grade by itself.");
  if (state === "published" && request.promote)
    return t("Version {version} passed the gate, but another model took over the grading meanwhile. It waits as the challenger.", { version });
  return outcome(run);
}

function facts(run) {
  const counted = (word, value) => (value === null ? [] : fact(word, number(value)));
  const kinds = { "fine-tuned": t("the model that graded then, trained further"), "from scratch": t("a model trained from scratch") };
  return make(
    "dl",
    { class: "facts" },
    run.request.by ? fact(t("Asked for by"), named(run.request.by)) : [],
    fact(t("It took"), took(run)),
    counted(t("New photographs"), run.new_images),
    counted(t("Earlier ones, learned again"), run.replayed_images),
    counted(t("Judged on"), run.golden_images),
    run.champion === null ? [] : fact(t("Compared with"), t("Version {version}", { version: run.champion })),
    run.candidate ? fact(t("What was made"), kinds[run.candidate] ?? make("span", { lang: "en" }, run.candidate)) : [],
    run.request.data.length ? fact(t("Learned from"), named(run.request.data.join(", "))) : [],
  );
}

function links(run, before = null) {
  const path = `/v1/retrainings/${encodeURIComponent(run.id)}`;
  return make(
    "div",
    { class: "buttons" },
    before,
    run.pages.includes("intake") ? report(`${path}/intake`, t("Report of the photographs")) : null,
    run.pages.includes("gate") ? report(`${path}/gate`, t("Report of the gate")) : null,
    make("a", { class: "button", href: `${root}${path}/log`, target: "_blank", rel: "noopener" }, t("Log")),
  );
}

/** All that the service says of it, to the letter. */
function exact(run) {
  const texts = [...new Set([run.text, ...run.reasons, ...(run.gate?.reasons ?? []).map((one) => one.text), ...(run.gate?.notes ?? [])].filter(Boolean))];
  return texts.length ? folded(`exact ${run.id}`, t("Exactly"), texts.map(english)) : null;
}
