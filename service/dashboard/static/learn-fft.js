// The FFT as a product of sparse factors, beside the layers of a network drawn as factors.

import { at, make } from "./dom.js";
import { number, onLanguage, percent, t, tn } from "./i18n.js";
import { picture, press, row } from "./learn-draw.js";
import { difference } from "./learn-figures.js";
import { farthest, filled, fourierFactors, fourierMatrix, product } from "./learn-fourier.js";
import { range } from "./learn-math.js";

const SIZES = [4, 8, 16, 32];
const BAND = 3; // inputs that one output of a convolution looks at
const FILLED = "#0a5f5c";
let size = 8;

/** Colours of a complex number: the hue its phase, white 0, full colour magnitude 1. */
function colour(re, im) {
  const magnitude = Math.min(1, Math.hypot(re, im));
  const degrees = ((Math.atan2(im, re) * 180) / Math.PI + 360) % 360;
  return magnitude === 0 ? "#fff" : `hsl(${degrees} 65% ${100 - 58 * magnitude}%)`;
}

function drawMatrix(canvas, rows, columns, entry) {
  Object.assign(canvas, { width: columns, height: rows });
  canvas.style.setProperty("--shape", `${columns} / ${rows}`);
  const context = canvas.getContext("2d");
  for (const y of range(rows)) {
    for (const x of range(columns)) {
      context.fillStyle = entry(y, x);
      context.fillRect(x, y, 1, 1);
    }
  }
}

function matrixFigure(text, rows, columns, entry) {
  const canvas = make("canvas");
  drawMatrix(canvas, rows, columns, entry);
  return make("figure", {}, picture(text, canvas), make("figcaption", {}, text));
}

function drawFactors() {
  const whole = fourierMatrix(size);
  const factors = fourierFactors(size);
  const entry = (matrix) => (y, x) => colour(matrix.re[y * size + x], matrix.im[y * size + x]);
  const worded = (matrix, place) =>
    place === factors.length - 1
      ? t("permutation: {count} ones", { count: filled(matrix) })
      : t("factor {number}: {count} non-zeros", { number: place + 1, count: filled(matrix) });
  drawMatrix(at("whole"), size, size, entry(whole));
  at("whole-said").textContent = t("the whole matrix: {count} non-zeros", { count: number(filled(whole)) });
  at("factors").replaceChildren(...factors.map((matrix, place) => matrixFigure(worded(matrix, place), size, size, entry(matrix))));
  at("summary").textContent = t("{count} butterflies of {entries} entries each, and a permutation", { count: factors.length - 1, entries: 2 * size });
  at("agree").textContent = t("Multiplied out in this browser, the factors differ from the full matrix by {most} at most.", {
    most: difference(farthest(product(factors), whole)),
  });
}

/** Counted from the matrices themselves: every non-zero of a factor is one multiplication. */
function drawCosts() {
  at("costs").replaceChildren(
    ...SIZES.map((each) => {
      const sparse = fourierFactors(each).slice(0, -1).reduce((sum, factor) => sum + filled(factor), 0); // a permutation multiplies nothing
      const full = filled(fourierMatrix(each));
      return row([String(each), number(full), number(sparse), percent(1 - sparse / full)]);
    }),
  );
}

/** Convolutions three wide and poolings, each a matrix of 0 and 1, until one output is left. */
function drawLayers() {
  const factors = [];
  for (let side = size; side > 1; side /= 2) {
    const band = range(side).map((y) => range(side).map((x) => Number(Math.abs(x - y) <= (BAND - 1) / 2)));
    const pooled = range(side / 2).map((y) => range(side).map((x) => Number(Math.floor(x / 2) === y)));
    factors.push(
      [t("convolution, {side} places: {count} non-zeros", { side, count: counted(band) }), band],
      [t("pooling, {side} to {half}: {count} non-zeros", { side, half: side / 2, count: counted(pooled) }), pooled],
    );
  }
  const reach = factors.reduce((seen, [, next]) => through(next, seen), identity(size));
  at("layers").replaceChildren(
    ...factors.map(([text, matrix]) => matrixFigure(text, matrix.length, matrix[0].length, (y, x) => (matrix[y][x] ? FILLED : "#fff"))),
  );
  at("reach").textContent = t("The product: {count} of {size} inputs reach the last output.", { count: counted(reach), size });
  at("inputs").textContent = t("way from {size} inputs to one output that sees them all", { size });
  const deep = factors.length / 2;
  at("weights").replaceChildren(
    row([t("one fully connected output"), number(size)]),
    row([
      tn(deep, "{count} convolution of {band} weights, with pooling between them", "{count} convolutions of {band} weights, with pooling between them", {
        band: BAND,
      }),
      number(deep * BAND),
    ]),
    row([t("for comparison: a fully connected layer with {size} outputs", { size }), number(size * size)]),
  );
}

const counted = (matrix) => matrix.flat().filter(Boolean).length;

/** Which inputs reach the outputs of one more layer. */
function through(next, seen) {
  return next.map((line) => seen[0].map((_, x) => Number(line.some((value, y) => value && seen[y][x]))));
}

function identity(side) {
  return range(side).map((y) => range(side).map((x) => Number(x === y)));
}

function draw() {
  drawFactors();
  drawCosts();
  drawLayers();
}

const buttons = document.querySelectorAll("[data-size]");
for (const button of buttons) {
  button.addEventListener("click", () => {
    size = Number(button.dataset.size);
    press(buttons, button);
    draw();
  });
}
onLanguage(draw);
draw();
