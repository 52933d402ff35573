// The FFT as a product of sparse factors, beside the layers of a network drawn as factors.

import { difference, row } from "./learn-draw.js";
import { farthest, filled, fourierFactors, fourierMatrix, product } from "./learn-fourier.js";
import { range } from "./learn-math.js";
import { count, words } from "./learn-words.js";

const SIZES = [4, 8, 16, 32];
const BAND = 3; // inputs that one output of a convolution looks at
const at = (id) => document.getElementById(id);

/** Colours of a complex number: the hue its phase, white 0, full colour magnitude 1. */
function colour(re, im) {
  const magnitude = Math.min(1, Math.hypot(re, im));
  const degrees = ((Math.atan2(im, re) * 180) / Math.PI + 360) % 360;
  return magnitude === 0 ? "#fff" : `hsl(${degrees} 65% ${100 - 58 * magnitude}%)`;
}

function drawMatrix(canvas, rows, columns, at_) {
  Object.assign(canvas, { width: columns, height: rows });
  canvas.style.setProperty("--shape", `${columns} / ${rows}`);
  const context = canvas.getContext("2d");
  for (const y of range(rows)) {
    for (const x of range(columns)) {
      context.fillStyle = at_(y, x);
      context.fillRect(x, y, 1, 1);
    }
  }
}

function figure(text, rows, columns, at_) {
  const holder = document.createElement("figure");
  const picture = document.createElement("div");
  const canvas = document.createElement("canvas");
  const said = document.createElement("figcaption");
  picture.className = "picture";
  picture.append(canvas);
  canvas.setAttribute("role", "img");
  canvas.setAttribute("aria-label", text);
  said.textContent = text;
  drawMatrix(canvas, rows, columns, at_);
  holder.append(picture, said);
  return holder;
}

function show(size) {
  const whole = fourierMatrix(size);
  const factors = fourierFactors(size);
  const entry = (matrix) => (y, x) => colour(matrix.re[y * size + x], matrix.im[y * size + x]);
  drawMatrix(at("whole"), size, size, entry(whole));
  at("whole-said").textContent = words.full(filled(whole));
  at("factors").replaceChildren(
    ...factors.map((matrix, place) =>
      figure(place === factors.length - 1 ? words.permutation(filled(matrix)) : words.factor(place + 1, filled(matrix)), size, size, entry(matrix)),
    ),
  );
  at("summary").textContent = words.butterflies(factors.length - 1, size);
  at("agree").textContent = words.agreeFourier(difference(farthest(product(factors), whole)));
  showLayers(size);
}

/** Counted from the matrices themselves: every non-zero of a factor is one multiplication. */
function costs() {
  at("costs").replaceChildren(
    ...SIZES.map((size) => {
      const sparse = fourierFactors(size).slice(0, -1).reduce((sum, factor) => sum + filled(factor), 0); // a permutation multiplies nothing
      const full = filled(fourierMatrix(size));
      return row([String(size), count(full), count(sparse), words.percent(1 - sparse / full)]);
    }),
  );
}

/** Convolutions three wide and poolings, each a matrix of 0 and 1, until one output is left. */
function showLayers(size) {
  const factors = [];
  for (let side = size; side > 1; side /= 2) {
    const band = range(side).map((y) => range(side).map((x) => Number(Math.abs(x - y) <= (BAND - 1) / 2)));
    const pooled = range(side / 2).map((y) => range(side).map((x) => Number(Math.floor(x / 2) === y)));
    factors.push([words.convolution(side), band], [words.halving(side), pooled]);
  }
  const reach = factors.reduce((seen, [, next]) => next.map((line) => seen[0].map((_, x) => Number(line.some((value, y) => value && seen[y][x])))), identity(size));
  const counted = (matrix) => matrix.flat().filter(Boolean).length;
  at("layers").replaceChildren(
    ...factors.map(([name, matrix]) => figure(words.layer(name, counted(matrix)), matrix.length, matrix[0].length, (y, x) => (matrix[y][x] ? "#0a5f5c" : "#fff"))),
  );
  const convolutions = factors.length / 2;
  at("reach").textContent = words.reach(counted(reach), size);
  for (const each of document.querySelectorAll(".inputs")) each.textContent = String(size);
  at("weights").replaceChildren(
    row([words.oneWide, count(size)]),
    row([words.deep(convolutions, BAND), count(convolutions * BAND)]),
    row([words.oneWideMaps(size), count(size * size)]),
  );
}

function identity(size) {
  return range(size).map((y) => range(size).map((x) => Number(x === y)));
}

for (const button of document.querySelectorAll("[data-size]")) {
  button.addEventListener("click", () => {
    for (const other of document.querySelectorAll("[data-size]")) other.setAttribute("aria-pressed", String(other === button));
    show(Number(button.dataset.size));
  });
}
costs();
show(8);
