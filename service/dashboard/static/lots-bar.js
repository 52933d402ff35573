// Grades as one bar: as wide as their shares, with their letters; and as figures, for whoever wants them or cannot see the bar.

import { make } from "./dom.js";
import { GRADES, kindOf } from "./fruit.js";
import { number, percent, t } from "./i18n.js";

const LETTERS_FROM = 0.045; // narrower parts have no room for letters
const SHARE_FROM = 0.13;

/** [{ grade: letters or null, count, share }] of what there is any of, ungraded fruit last. */
function partsOf(row) {
  const found = GRADES.map((grade) => ({ grade, count: row.grades[grade].count })).filter((part) => part.count);
  if (row.ungraded) found.push({ grade: null, count: row.ungraded });
  return found.map((part) => ({ ...part, share: part.count / row.total }));
}

const letters = ({ grade }) => grade ?? t("no grade");

/** The bar, and beneath it the list of counts. */
export function gradeBar(row) {
  const parts = partsOf(row);
  const said = parts.map((part) => `${letters(part)} ${percent(part.share)}`).join(", ");
  return [
    make("div", { class: "grade-bar", role: "img", "aria-label": said, translate: "no" }, parts.map(segment)),
    make("ul", { class: "grade-counts" }, parts.map(counted)),
  ];
}

function segment(part) {
  const { grade, share } = part;
  const word = grade && share >= LETTERS_FROM ? make("b", {}, grade) : null;
  const figure = grade && share >= SHARE_FROM ? ` ${percent(share)}` : null;
  const element = make("span", { "data-kind": kindOf(grade) ?? "none" }, word, figure);
  element.style.setProperty("--share", share);
  return element;
}

function counted(part) {
  return make(
    "li",
    { "data-kind": kindOf(part.grade) ?? "none" },
    make("b", {}, letters(part)),
    " ",
    make("span", { class: "number" }, number(part.count)),
    " ",
    make("span", { class: "number quiet" }, percent(part.share)),
  );
}
