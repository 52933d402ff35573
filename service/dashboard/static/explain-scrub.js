// A picture in the making: its frames under a slider, and the curve of what was climbed.

import { beside, tell, tellAttribute } from "./explain-say.js";
import { figure } from "./explain-words.js";
import { t } from "./i18n.js";

const [WIDTH, HEIGHT, EDGE] = [300, 90, 6];

/** `frames` are addresses of pictures, first to last; `objective` one number a step; `alt` composes what is to be seen. */
export function scrubber(frames, objective, alt) {
  const whole = document.getElementById("scrubber").content.firstElementChild.cloneNode(true);
  const [image, range, line, now] = ["img", "input", "polyline", ".now"].map((name) => whole.querySelector(name));
  const last = frames.length - 1;
  tellAttribute(image, "alt", alt);
  range.max = String(last);
  range.closest("label").hidden = last < 1;

  const show = () => {
    const index = Number(range.value);
    image.src = frames[index];
    const step = last < 1 ? objective.length - 1 : Math.round((index / last) * (objective.length - 1));
    const where = objective.length > 1 ? EDGE + (step / (objective.length - 1)) * (WIDTH - 2 * EDGE) : 0;
    for (const end of ["x1", "x2"]) now.setAttribute(end, where);
    tell(whole.querySelector(".frame-words"), () =>
      beside(
        last < 1 ? "" : t("picture {index} of {count}", { index: index + 1, count: frames.length }),
        objective.length ? t("objective {value}", { value: figure(objective[step]) }) : "",
      ),
    );
  };
  whole.querySelector(".curve").hidden = objective.length < 2;
  if (objective.length > 1) {
    line.setAttribute("points", curve(objective));
    const ends = { first: figure(objective[0]), last: figure(objective.at(-1)) };
    tell(whole.querySelector("figcaption"), () => t("The objective while the picture was made: from {first} to {last}.", ends));
  }
  range.addEventListener("input", show);
  range.value = String(last);
  show();
  return whole;
}

/** Numbers -> the points of a line that fills the drawing. */
export function curve(values) {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const height = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  return values
    .map((value, step) => [EDGE + (step / (values.length - 1)) * (WIDTH - 2 * EDGE), HEIGHT - EDGE - height(value) * (HEIGHT - 2 * EDGE)])
    .map((point) => point.map((each) => each.toFixed(1)).join(","))
    .join(" ");
}
