// Fruit per minute of the last hour, a bar for each minute.

import { at, draw } from "./dom.js";
import { number, t } from "./i18n.js";

const HEIGHT = 40;
const STEP = 4;

export function paceChart(place) {
  let drawn = "";

  return (minutes, now) => {
    at("tally-pace").textContent = number(now);
    const counts = minutes.map((minute) => minute.count);
    const text = `${document.documentElement.lang} ${counts.join(" ")}`;
    if (text === drawn) return;
    drawn = text;
    const most = Math.max(1, ...counts);
    const bars = counts.map((count, place) => {
      const height = (count / most) * (HEIGHT - 2);
      // the minute that is not over yet is pale
      return count && draw("rect", { x: place * STEP, y: HEIGHT - height, width: STEP - 1, height, rx: 1, class: place === counts.length - 1 ? "under-way" : null });
    });
    const label = t("Fruit per minute in the last hour: {most} at most, {last} in the last whole minute", {
      most: number(Math.max(...counts)),
      last: number(counts.at(-2) ?? 0),
    });
    place.replaceChildren(
      draw(
        "svg",
        { viewBox: `0 0 ${counts.length * STEP} ${HEIGHT}`, preserveAspectRatio: "none", role: "img", "aria-label": label },
        draw("path", { d: `M0 ${HEIGHT - 0.5}H${counts.length * STEP}`, class: "floor" }),
        bars,
      ),
    );
  };
}
