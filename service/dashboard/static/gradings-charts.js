// Small drawings with figures beside them: how probable each grade was, and where the time went.

import { draw, make } from "./dom.js";
import { GRADES, kindOf } from "./fruit.js";
import { mark, number, percent, t } from "./i18n.js";

const STAGES = [
  ["decode", mark("read the photograph")],
  ["queue", mark("wait for the network")],
  ["infer", mark("look through the network")],
  ["rest", mark("all else")],
];

/** All nine grades, in the order of the farm, with bars. */
export function probabilityBars(grading) {
  const found = grading.probabilities;
  if (!grading.grade || !found) return [make("p", { class: "quiet" }, t("No network saw it in time."))];
  return [
    make(
      "ol",
      { class: "bars" },
      GRADES.filter((grade) => grade in found).map((grade) =>
        make(
          "li",
          { "data-kind": kindOf(grade), "data-first": grade === grading.grade ? "yes" : null },
          make("strong", { translate: "no" }, grade),
          bar([[found[grade], "fill"]]),
          make("span", { class: "number" }, percent(found[grade], found[grade] > 0 && found[grade] < 0.1 ? 1 : 0)),
        ),
      ),
    ),
  ];
}

/** The milliseconds of each stage: one bar of all, and a line for each. */
export function timingBar({ timing_ms: timing, batch_size: together }) {
  const known = STAGES.filter(([name]) => name !== "rest").map(([name, words]) => [name, words, timing[name] ?? 0]);
  const rest = Math.max(0, timing.total - known.reduce((sum, [, , ms]) => sum + ms, 0));
  const parts = [...known, ["rest", STAGES.at(-1)[1], rest]];
  const ms = (value) => t("{count} ms", { count: number(value, value < 10 ? 1 : 0) });
  return [
    make("p", {}, make("strong", { class: "number" }, ms(timing.total)), " ", t("from the first byte of the photograph to the lane")),
    bar(parts.map(([name, , value]) => [timing.total ? value / timing.total : 0, name])),
    make("ul", { class: "key" }, parts.map(([name, words, value]) => make("li", { "data-part": name }, make("span", {}, t(words)), make("span", { class: "number" }, ms(value))))),
    together > 1 && make("p", { class: "quiet" }, t("{count} photographs went through the network together.", { count: number(together) })),
  ].filter(Boolean);
}

/** A bar of shares, one after the other; what it says stands beside it as text. */
function bar(shares) {
  let reached = 0;
  return draw(
    "svg",
    { class: "bar-drawn", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    draw("rect", { class: "well", width: 100, height: 10 }),
    shares.map(([share, name]) => {
      const drawn = draw("rect", { class: name, x: 100 * reached, width: Math.max(0, 100 * share), height: 10 });
      reached += share;
      return drawn;
    }),
  );
}
