// A graded fruit as a tile, and the words that tiles, tables and the page of one grading share.

import { make, sign } from "./dom.js";
import { gradeWord, gradingPage, kindOf, NOT_A_CUCUMBER } from "./fruit.js";
import { moment, percent, t } from "./i18n.js";
import { preparePhoto, showPhoto } from "./photo.js";

/** What counts: the correction where there is one. */
export const effectiveGrade = (grading) => grading.correction?.grade ?? grading.grade;

/** "L", or "L → BL" of a corrected one; the arrow is read out as words. One that was corrected to what it is was confirmed. */
export function gradeText(grading, tag = "span") {
  const is = gradeWord(grading.grade);
  const kind = kindOf(effectiveGrade(grading)) ?? "none";
  if (!grading.correction) return make(tag, { class: "letters", "data-kind": kind, "data-long": long(grading.grade) }, is);
  if (grading.correction.grade === grading.grade)
    return make(tag, { class: "letters", "data-kind": kind }, is, " ", sign("sign-good", { class: "confirmed" }), make("span", { class: "unseen" }, t("confirmed")));
  const to = gradeWord(grading.correction.grade);
  return make(
    tag,
    { class: "letters", "data-kind": kind, "data-long": long(grading.correction.grade) },
    make("span", { "aria-hidden": "true" }, make("span", { class: "before" }, is), " → ", make("span", {}, to)),
    make("span", { class: "unseen" }, t("{grade}, corrected to {other}", { grade: is, other: to })),
  );
}

const long = (grade) => (!grade || grade === NOT_A_CUCUMBER ? "yes" : null);

/** "then M 6 %"; "" without a second choice. */
export function secondChoice({ runner_up: second }) {
  return second ? t("then {grade} {share}", { grade: second.grade, share: percent(second.probability) }) : "";
}

/** The flag of the manual lane. */
export const manualFlag = () => make("span", { class: "flag" }, sign("kind-manual"), t("manual lane"));

/** A tile that leads to the page of the grading. */
export function tile(grading) {
  const image = make("img", { alt: "", loading: "lazy", decoding: "async" });
  const frame = make("span", { class: "photo", "data-photo": "loading" }, image, make("span", { class: "no-photo" }, t("No photograph")));
  preparePhoto(image);
  showPhoto(image, grading);
  return make(
    "a",
    { class: "tile", href: gradingPage(grading.id), "data-id": grading.id },
    frame,
    make(
      "span",
      { class: "tile-line" },
      gradeText(grading, "strong"),
      make("span", { class: "number" }, grading.confidence === null ? "" : percent(grading.confidence)),
    ),
    make(
      "span",
      { class: "tile-line quiet" },
      make("span", {}, secondChoice(grading)),
      make("time", { class: "number", datetime: grading.received_at }, moment(grading.received_at)),
    ),
    grading.lane === "manual" && manualFlag(),
  );
}

/** A wall of tiles. */
export const wall = (gradings) => make("ol", { class: "wall" }, gradings.map((each) => make("li", {}, tile(each))));
