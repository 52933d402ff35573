// The same gradings as a plain table.

import { make } from "./dom.js";
import { gradeText, manualFlag } from "./gradings-tile.js";
import { gradeWord, gradingPage } from "./fruit.js";
import { clock, day, percent, t } from "./i18n.js";

/** A table of gradings; a row for each, in their order. */
export function table(gradings) {
  const head = [t("Time"), t("Grade"), t("Confidence"), t("Second choice"), t("Lane"), t("Line"), t("Lot"), t("Camera"), t("Model")];
  return make(
    "div",
    { class: "panel wide" },
    make(
      "table",
      { class: "table" },
      make("caption", { class: "unseen" }, t("Gradings, newest first")),
      make("thead", {}, make("tr", {}, head.map((word, at) => make("th", { scope: "col", class: at === 2 ? "number" : null }, word)))),
      make("tbody", {}, gradings.map(row)),
    ),
  );
}

/** The year only where it is another one. */
function when(moment) {
  const year = new Date(moment).getFullYear() === new Date().getFullYear() ? {} : { year: "numeric" };
  return `${day(moment, { month: "short", day: "numeric", ...year })} ${clock(moment)}`;
}

function row(grading) {
  const second = grading.runner_up;
  const named = (name) => make("td", { translate: "no" }, name ?? "–");
  return make(
    "tr",
    { "data-id": grading.id },
    make("th", { scope: "row" }, make("a", { class: "when", href: gradingPage(grading.id) }, when(grading.received_at))),
    make("td", {}, gradeText(grading)),
    make("td", { class: "number" }, grading.confidence === null ? "–" : percent(grading.confidence)),
    make("td", {}, second ? `${second.grade} ${percent(second.probability)}` : "–"),
    make("td", {}, grading.lane === "manual" ? manualFlag() : gradeWord(grading.lane)),
    named(grading.line),
    named(grading.lot),
    named(grading.camera),
    make("td", { class: "number" }, String(grading.model.version)),
  );
}
