// What several of the explaining pages say: figures, places, parts of the fruit, scales. Grade letters and the names of methods,
// layers and parameters are never translated; a name within a sentence stands in backticks.

import { label, mark, number, percent, t } from "./i18n.js";
import { sentences } from "./explain-say.js";

export const NONE = "–";

const PARTS = {
  "left end": mark("left end"),
  middle: mark("middle"),
  "right end": mark("right end"),
  belt: mark("belt (background)"),
};

/** A part's name in words; one that this page does not know is shown as it is. */
export const partName = (name) => (PARTS[name] ? t(PARTS[name]) : name);

/** 1.3 -> "+1.30", -0.25 -> "−0.25", 0 -> "0": with its sign. */
export function signed(value) {
  const text = figure(Math.abs(value));
  return Number(text.replaceAll(",", "")) === 0 ? "0" : (value < 0 ? "−" : "+") + text;
}

/** A number with about three digits: 1234 -> "1,234", 0.04567 -> "0.046", 0.00001 -> "1.0e-5". */
export function figure(value) {
  if (value === null || value === undefined || !Number.isFinite(value)) return NONE;
  const size = Math.abs(value);
  let text = "0";
  if (size >= 100) text = number(size);
  else if (size >= 1) text = number(size, 2);
  else if (size >= 0.001) text = number(size, 1 - Math.floor(Math.log10(size)));
  else if (size > 0) text = size.toExponential(1);
  return (value < 0 ? "−" : "") + text;
}

/** Two digits after the point, with the sign of a minus. */
export const decimal = (value) => (value < 0 ? "−" : "") + number(Math.abs(value), 2);

export const place = (row, column, rows, columns) =>
  t("row {row} of {rows}, column {column} of {columns}", { row: row + 1, rows, column: column + 1, columns });

export const modelName = (model) => t("`{name}`, version {version}", { name: model.name, version: model.version });

/** "16 maps of 32 × 32; each place sees 5 × 5 pixels of the input, in steps of 1." */
export function aboutLayer({ shape, receptive_px: px, stride_px: stride }) {
  const [count, height, width] = shape;
  const values = { count, height, width, px, stride };
  if (shape.length < 3) return t("{count} values.", values);
  if (!px) return t("{count} maps of {height} × {width}.", values);
  return t("{count} maps of {height} × {width}; each place sees {px} × {px} pixels of the input, in steps of {stride}.", values);
}

/** How a map over a photograph is read. */
export const overScale = (both) =>
  both
    ? t("Red, solid lines: speaks for it. Blue, dashed lines: speaks against it. Clear: neither.")
    : t("Yellow and covering: most. Dark and clear: little or none.");

/** How a map that stands alone is read. */
export const aloneScale = (both) =>
  both ? t("Red: above zero. Blue: below zero. White: zero.") : t("Yellow: most. Green: half. Dark violet: zero.");

/** Says on an image what it shows. */
export function describe(image, { grade }) {
  if (grade) label(image, "alt", "cucumber graded {grade}", { grade });
  else label(image, "alt", "cucumber without a grade");
}

/** "M (62 %), not S (31 %)" */
export function verdict(grade, share, other, otherShare) {
  const values = { grade, share: percent(share), other };
  return other && otherShare !== undefined
    ? t("{grade} ({share}), not {other} ({otherShare})", { ...values, otherShare: percent(otherShare) })
    : t("{grade} ({share})", values);
}

/** Whether a layer's weights have become something: beside those of a network that has learned nothing. */
export function structure({ trained, random, random_std: spread }) {
  const away = (trained - random) / (spread ?? 0.04);
  const values = {
    trained: decimal(trained),
    random: decimal(random) + (typeof spread === "number" ? ` ± ${decimal(spread)}` : ""),
    times: number(Math.abs(away)),
  };
  return sentences(
    t("Neighbouring weights are alike by {trained} (autocorrelation: 0 none, 1 wholly); with random weights by {random}.", values),
    away > 3
      ? t("That is {times} times the spread of random ones away: structure, not noise.", values)
      : t("That is hardly more than noise."),
  );
}

export const BUSY = mark("Working…");
export const BUSY_LONG = mark("Working… this may take up to a minute.");
