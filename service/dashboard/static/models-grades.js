// How often each grade is recognised, as bars; and which grades are taken for which, as a table whose cells are shaded.

import { make } from "./dom.js";
import { GRADES } from "./fruit.js";
import { number, percent, t } from "./i18n.js";
import { sideWord, supportWord } from "./models-compare.js";

/** A row for each grade, in it a bar for each side. */
export function gradeBars(sides) {
  const grades = GRADES.filter((grade) => sides.some((one) => one.figures.per_grade[grade]));
  return [
    make("p", {}, t("Of the fruit that are of a grade, the share that the model recognises:")),
    make("ul", { class: "legend" }, sides.map((one) => make("li", { "data-role": one.role }, sideWord(one)))),
    make(
      "table",
      { class: "table grade-table" },
      make("caption", { class: "unseen" }, t("Grade by grade")),
      make("thead", { class: "unseen" }, make("tr", {}, make("th", { scope: "col" }, t("Grade")), make("th", { scope: "col" }, t("Recognised")))),
      make("tbody", {}, grades.map((grade) => row(grade, sides))),
    ),
  ];
}

function row(grade, sides) {
  const support = sides[0].figures.per_grade[grade]?.support ?? 0;
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, grade, " ", make("span", { class: "quiet" }, supportWord(support))),
    make("td", {}, sides.map((one) => bar(one, one.figures.per_grade[grade]))),
  );
}

function bar(one, found) {
  const line = make("div", { class: "recall", "data-role": one.role });
  const known = found && found.recall !== null;
  line.append(make("span", { class: "unseen" }, sideWord(one), " "));
  line.append(make("span", { class: "recall-bar", "aria-hidden": "true" }), make("span", { class: "number" }, known ? percent(found.recall) : "–"));
  line.style.setProperty("--share", known ? found.recall : 0);
  return line;
}

/** A table for each side that has one: rows are what the fruit is, columns what the model says. */
export function confusions(grades, sides) {
  return [
    make("p", {}, t("A row is what the fruit is, a column what the model says. On the diagonal it is right.")),
    make("div", { class: "confusions" }, sides.filter((one) => one.figures.confusion).map((one) => confusion(one.grades ?? grades, one))),
  ];
}

function confusion(grades, one) {
  // as the farm sorts them; a model's card may have another order
  const order = [...grades.keys()].sort((a, b) => GRADES.indexOf(grades[a]) - GRADES.indexOf(grades[b]));
  const cell = (truth, said) => {
    const counts = one.figures.confusion[truth];
    const sum = counts.reduce((all, count) => all + count, 0);
    const element = make("td", { class: truth === said ? "right" : "wrong", "data-none": counts[said] ? null : "yes" }, number(counts[said]));
    element.style.setProperty("--share", sum ? counts[said] / sum : 0);
    return element;
  };
  return make(
    "table",
    { class: "confusion", "data-role": one.role },
    make("caption", {}, sideWord(one)),
    make("thead", {}, make("tr", {}, make("td"), order.map((said) => make("th", { scope: "col" }, grades[said])))),
    make("tbody", {}, order.map((truth) => make("tr", {}, make("th", { scope: "row" }, grades[truth]), order.map((said) => cell(truth, said))))),
  );
}
