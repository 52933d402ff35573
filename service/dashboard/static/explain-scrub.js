// A picture in the making: its frames under a slider, and the curve of what was climbed.

import { figure, words } from "./explain-words.js";

const [WIDTH, HEIGHT, EDGE] = [300, 90, 6];

/** `frames` are addresses of pictures, first to last; `objective` one number a step; `alt` says what is to be seen. */
export function scrubber(frames, objective, alt) {
  const whole = document.getElementById("scrubber").content.firstElementChild.cloneNode(true);
  const [image, range, line, now] = ["img", "input", "polyline", ".now"].map((name) => whole.querySelector(name));
  const last = frames.length - 1;
  image.alt = alt;
  range.max = String(last);
  range.closest("label").hidden = last < 1;

  const show = () => {
    const index = Number(range.value);
    image.src = frames[index];
    const step = last < 1 ? objective.length - 1 : Math.round((index / last) * (objective.length - 1));
    const where = objective.length > 1 ? EDGE + (step / (objective.length - 1)) * (WIDTH - 2 * EDGE) : 0;
    for (const end of ["x1", "x2"]) now.setAttribute(end, where);
    whole.querySelector(".frame-words").textContent = [
      last < 1 ? "" : words.frame(index, frames.length),
      objective.length ? words.frameValue(objective[step]) : "",
    ].filter(Boolean).join(", ");
  };
  whole.querySelector(".curve").hidden = objective.length < 2;
  if (objective.length > 1) {
    line.setAttribute("points", curve(objective));
    whole.querySelector("figcaption").textContent = words.curve(objective[0], objective.at(-1));
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

/** The facts of an answer that a listing shows, as [word, text]. */
export function factsOf(answer) {
  const text = (value) => (typeof value === "number" ? (Number.isInteger(value) ? String(value) : figure(value)) : Array.isArray(value) ? value.join(" × ") : String(value));
  return Object.entries(words.facts)
    .filter(([name]) => answer[name] !== null && answer[name] !== undefined && typeof answer[name] !== "object")
    .map(([name, word]) => [word, text(answer[name])])
    .concat(["shape", "place"].filter((name) => Array.isArray(answer[name])).map((name) => [words.facts[name], text(answer[name])]))
    .concat(answer.model ? [[words.facts.model, words.modelName(answer.model)]] : [])
    .concat(answer.logits ? [[words.facts.logits, Object.entries(answer.logits).map(([grade, value]) => `${grade} ${figure(value)}`).join(", ")]] : []);
}
