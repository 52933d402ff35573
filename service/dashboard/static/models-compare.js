// Champion and challenger on the same photographs: what is better and what is worse in sentences, then the figures.

import { make, sign } from "./dom.js";
import { number, percent, t, tn } from "./i18n.js";

const EQUAL = 0.0005; // below what the figures show
const GRADE_POINTS = 0.02; // of one grade's share: less is a fruit or two

/** "The challenger is right more often: ..." and so on, each with a sign. `sides` are [champion, challenger]. */
export function sentences(gate, [{ figures: before }, { figures: after }]) {
  const found = [accuracy(before.accuracy, after.accuracy), won(gate), cost(before.cost_yen, after.cost_yen), far(before, after)];
  found.push(...grades(before, after), coverage(gate, before.coverage, after.coverage), calibration(before.ece, after.ece));
  return make("ul", { class: "sentences" }, found.filter(Boolean).map(item));
}

function item([tone, text], place) {
  const signs = { good: "sign-good", bad: "sign-bad" };
  return make(
    "li",
    { "data-tone": tone, class: place ? null : "first" },
    tone ? sign(signs[tone]) : make("span", { class: "equal", "aria-hidden": "true" }, "="),
    make("span", {}, text),
  );
}

/** good, bad or null for "as before". `more` says whether more is better. */
const toneOf = (before, after, more) => (Math.abs(after - before) < EQUAL ? null : after > before === more ? "good" : "bad");

function accuracy(before, after) {
  const values = { after: percent(after, 1), before: percent(before, 1) };
  const tone = toneOf(before, after, true);
  if (tone === "good") return [tone, t("The challenger is right more often: {after} to {before}.", values)];
  if (tone === "bad") return [tone, t("The challenger is right less often: {after} to {before}.", values)];
  return [tone, t("Both are right equally often: {after}.", values)];
}

function won({ won, lost }) {
  if (!won && !lost) return null;
  return [won === lost ? null : won > lost ? "good" : "bad", t("It grades {won} fruit better and {lost} fruit worse.", { won: number(won), lost: number(lost) })];
}

function cost(before, after) {
  if (before === null || after === null) return null;
  const values = { after: yen(after), before: yen(before) };
  const tone = toneOf(before, after, false);
  if (tone === "good") return [tone, t("Its errors cost less: {after} a fruit instead of {before}.", values)];
  if (tone === "bad") return [tone, t("Its errors cost more: {after} a fruit instead of {before}.", values)];
  return [tone, t("Its errors cost the same: {after} a fruit.", values)];
}

function far({ far_errors: before }, { far_errors: after }) {
  if (before === null || after === null) return null;
  const values = { after: percent(after, 1), before: percent(before, 1) };
  const tone = toneOf(before, after, false);
  if (tone === "good") return [tone, t("It is far off less often, such as 2L for S: {after} to {before}.", values)];
  if (tone === "bad") return [tone, t("It is far off more often, such as 2L for S: {after} to {before}.", values)];
  return null;
}

function grades(before, after) {
  const change = Object.entries(after.per_grade).map(([grade, { recall }]) => [grade, recall - before.per_grade[grade]?.recall]);
  const those = (wanted) => change.filter(([, points]) => wanted(points)).map(([grade]) => grade).join(", ");
  const [up, down] = [those((points) => points >= GRADE_POINTS), those((points) => points <= -GRADE_POINTS)];
  return [
    up && ["good", t("It recognises these grades more often: {grades}.", { grades: up })],
    down && ["bad", t("It recognises these grades less often: {grades}.", { grades: down })],
  ];
}

function coverage({ target_accuracy }, before, after) {
  const values = { after: percent(after), before: percent(before), target: percent(target_accuracy) };
  const tone = toneOf(before, after, true);
  if (tone === "good") return [tone, t("Fewer fruit need the manual lane: it may grade {after} alone instead of {before}.", values)];
  if (tone === "bad") return [tone, t("More fruit need the manual lane: it may grade {after} alone instead of {before}.", values)];
  return null;
}

function calibration(before, after) {
  const values = { after: percent(after, 1), before: percent(before, 1) };
  const tone = toneOf(before, after, false);
  if (tone === "good") return [tone, t("How sure it says it is fits better: off by {after} instead of {before}.", values)];
  if (tone === "bad") return [tone, t("How sure it says it is fits less well: off by {after} instead of {before}.", values)];
  return null;
}

const yen = (amount) => t("{amount} yen", { amount: number(amount, 2) });

/** All figures; a column for each side, and one for what changed where they may be compared. */
export function figureTable(gate, sides, same) {
  const target = percent(gate.target_accuracy);
  const points = (value) => t("{points} points", { points: signed(value * 100, 1) });
  const rows = [
    [t("Right"), "accuracy", (value) => percent(value, 1), points],
    [t("Cost of its errors a fruit"), "cost_yen", yen, (value) => t("{amount} yen", { amount: signed(value, 2) })],
    [t("Far errors, such as 2L for S"), "far_errors", (value) => percent(value, 1), points],
    [t("May grade alone, with {target} of that right", { target }), "coverage", (value) => percent(value, 1), points],
    [t("How far off its confidence is (ECE)"), "ece", (value) => percent(value, 1), points],
  ].filter(([, name]) => sides.some((one) => one.figures[name] !== null));
  const columns = [...sides.map(sideWord), ...(same ? [t("Change")] : [])];
  const short = [...sides.map(({ version }) => t("Version {version}", { version })), t("Change")]; // a phone has no room for more
  const values = (name) => sides.map((one) => one.figures[name]);
  const changed = ([first, second]) => (first === null || second === null ? null : second - first);
  const cell = (value, write, column) => make("td", { role: "cell", class: "number", "data-label": short[column] }, value === null ? "–" : write(value));
  const row = ([word, name, write, difference]) =>
    make(
      "tr",
      { role: "row" },
      make("th", { scope: "row", role: "rowheader" }, word),
      values(name).map((value, column) => cell(value, write, column)),
      same ? cell(changed(values(name)), difference, sides.length) : null,
    );
  return make(
    "div",
    { class: "wide", tabindex: 0, role: "region", "aria-label": t("Figures") },
    make(
      "table",
      { class: "table figures", role: "table" }, // named, since on a phone its rows are laid out as a grid
      make(
        "thead",
        { role: "rowgroup" },
        make("tr", { role: "row" }, make("td", { role: "cell" }), columns.map((word) => make("th", { scope: "col", role: "columnheader", class: "number" }, word))),
      ),
      make("tbody", { role: "rowgroup" }, rows.map(row)),
    ),
  );
}

const signed = (value, digits) => {
  const text = number(Math.abs(value), digits);
  return Number(Math.abs(value).toFixed(digits)) === 0 ? `±${text}` : `${value > 0 ? "+" : "−"}${text}`;
};

/** "Version 4, champion" */
export const sideWord = ({ version, role }) =>
  role === "champion" ? t("Version {version}, champion", { version }) : t("Version {version}, challenger", { version });

/** How many photographs there are of a grade, beside its letters. */
export const supportWord = (support) => tn(support, "{count} photograph", "{count} photographs");
