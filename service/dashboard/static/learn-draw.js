// Pictures of numbers: maps on a canvas, one pixel a cell; small windows as grids of numbers; frames over a cell; table rows.

import { make } from "./dom.js";
import { figure } from "./learn-figures.js";

// Blue for negative, orange for positive, told apart in every common colour blindness; white is 0. Maps are pictures: they look
// the same in a light and in a dark page.
const NEGATIVE = [33, 88, 158];
const POSITIVE = [176, 82, 0];
const MOST = [10, 60, 58]; // the dark end of a scale that begins at white
const DARK = 0.179; // luminance below which white letters stand out more than black ones

/** The colour of a value, [r, g, b], on a scale of -limit..limit or 0..limit. */
export function colourOf(value, limit, signed) {
  const part = limit > 0 ? Math.min(1, Math.abs(value) / limit) : 0;
  const end = signed ? (value < 0 ? NEGATIVE : POSITIVE) : MOST;
  return end.map((level) => Math.round(255 + (level - 255) * (value < 0 && !signed ? 0 : part)));
}

/** Gives an element with a figure in it the colour of its value. */
export function tint(element, value, limit, signed) {
  const colour = colourOf(value, limit, signed);
  element.style.setProperty("--cell", `rgb(${colour.join(" ")})`);
  element.classList.toggle("dark", luminance(colour) < DARK);
}

/** How light a colour is to the eye, 0..1 (WCAG 2). */
function luminance(colour) {
  const [red, green, blue] = colour.map((level) => (level <= 10 ? level / 3294.6 : ((level / 255 + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}

/** The largest absolute value. */
export function limitOf(map) {
  return Math.max(...map.map((row) => Math.max(...row.map(Math.abs))));
}

/** One map; cells from number `shown` on stay empty. */
export function drawMap(canvas, map, { signed = true, limit = limitOf(map), shown = Infinity } = {}) {
  paint(canvas, map.length, map[0].length, (y, x) =>
    y * map[0].length + x < shown ? colourOf(map[y][x], limit, signed) : null,
  );
}

/** Three maps (or one) of 0..1 as a photograph. */
export function drawPixels(canvas, maps) {
  const colours = maps.length === 3 ? maps : [maps[0], maps[0], maps[0]];
  paint(canvas, maps[0].length, maps[0][0].length, (y, x) => colours.map((map) => Math.round(map[y][x] * 255)));
}

function paint(canvas, height, width, colour) {
  Object.assign(canvas, { width, height });
  canvas.style.setProperty("--shape", `${width} / ${height}`);
  const image = new ImageData(width, height);
  for (let place = 0; place < width * height; place += 1) {
    const found = colour(Math.floor(place / width), place % width);
    if (found) image.data.set([...found, 255], place * 4);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
}

/** A canvas in its frame, with what it shows for those who do not see it. */
export function picture(text, canvas = make("canvas")) {
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
  return make("div", { class: "picture" }, canvas);
}

/** Lays a frame over cells of a picture that is `high` by `wide` cells. */
export function frame(mark, { y, x, size }, high, wide) {
  const put = (name, part, whole) => mark.style.setProperty(name, `${(100 * part) / whole}%`);
  const [top, left] = [Math.max(0, y), Math.max(0, x)];
  put("top", top, high);
  put("left", left, wide);
  put("height", Math.min(high, y + size) - top, high);
  put("width", Math.min(wide, x + size) - left, wide);
  mark.hidden = false;
}

/** A grid of numbers, coloured by value. */
export function numbers(holder, map, limit = limitOf(map)) {
  holder.style.setProperty("--columns", String(map[0].length));
  const cells = map.flat().map((value) => {
    const cell = make("span", {}, figure(value));
    tint(cell, value, limit, true);
    return cell;
  });
  holder.replaceChildren(...cells);
}

/** Lets a finger, a mouse or the arrow keys choose a cell of a canvas. `choose` gets [y, x]. */
export function choosable(canvas, current, choose) {
  const clamp = (value, count) => Math.max(0, Math.min(count - 1, value));
  const go = (y, x) => choose([clamp(y, canvas.height), clamp(x, canvas.width)]);
  const moves = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] };
  canvas.tabIndex = 0;
  canvas.addEventListener("pointerdown", (event) => {
    const box = canvas.getBoundingClientRect();
    go(
      Math.floor(((event.clientY - box.top) / box.height) * canvas.height),
      Math.floor(((event.clientX - box.left) / box.width) * canvas.width),
    );
  });
  canvas.addEventListener("keydown", (event) => {
    const move = moves[event.key];
    if (!move) return;
    event.preventDefault();
    const [y, x] = current();
    go(y + move[0], x + move[1]);
  });
}

/** A table row: the first text heads it. `labels` name the others where a narrow screen shows the row as a card. */
export function row([first, ...others], labels = []) {
  return make(
    "tr",
    {},
    make("th", { scope: "row" }, first),
    others.map((text, place) => make("td", { "data-label": labels[place + 1] }, text)),
  );
}

/** Options of a select, from [value, text] pairs. */
export function options(select, pairs, chosen) {
  select.replaceChildren(...pairs.map(([value, text]) => make("option", { value, selected: value === chosen }, text)));
}

/** A name that is the same in every language. */
export const name = (text) => make("span", { translate: "no" }, text);

/** Of several buttons that stand for one choice, the one that is pressed. */
export function press(buttons, chosen) {
  for (const each of buttons) each.setAttribute("aria-pressed", String(each === chosen));
}
