// What pages say of a fruit: its kind, its reasons, its photograph's place.

import { mark, t } from "./i18n.js";

const root = document.documentElement.dataset.root;

/** The nine, as the farm sorts them. */
export const GRADES = ["2L", "L", "M", "S", "2S", "BL", "BM", "BS", "C"];
export const NOT_A_CUCUMBER = "not_a_cucumber";

const KINDS = { straight: mark("straight"), bent: mark("bent"), misshapen: mark("misshapen") };
const REASONS = {
  low_confidence: mark("not sure enough"),
  not_a_cucumber: mark("does not look like a cucumber"),
  partly_visible: mark("not all of it in the picture"),
  rule_disagrees: mark("its measures say another grade"),
  deadline_missed: mark("graded too late"),
};

/** "BM" -> "bent"; null without a grade. */
export function kindOf(grade) {
  if (!GRADES.includes(grade)) return null;
  return grade === "C" ? "misshapen" : grade.startsWith("B") ? "bent" : "straight";
}

/** "bent" in the page's language. */
export const kindWord = (kind) => (kind ? t(KINDS[kind]) : t("no grade"));

/** A reason's code -> words. A code that this page does not know yet is shown rather than hidden. */
export const reasonWord = (code) => (REASONS[code] ? t(REASONS[code]) : code.replaceAll("_", " "));

export const REASON_CODES = Object.keys(REASONS);

/** Letters for a grade, words where there is none or it is no cucumber. */
export function gradeWord(grade) {
  if (grade === NOT_A_CUCUMBER) return t("not a cucumber");
  return grade ?? t("no grade");
}

/** Where a grading's reasons are shown, and where all of it. */
export const whyPage = (id) => `${root}/explain?grading=${encodeURIComponent(id)}`;
export const gradingPage = (id) => `${root}/gradings/${encodeURIComponent(id)}`;
export const photographOf = (id) => `${root}/v1/gradings/${encodeURIComponent(id)}/image`;
