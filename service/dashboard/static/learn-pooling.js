// Max against average pooling: on a grid that can be edited, and on a map of a real cucumber.

import { colourOf, difference, drawMap, figure, limitOf, options } from "./learn-draw.js";
import { largestDifference, pool, range, total } from "./learn-math.js";
import { stagesOf } from "./learn-network.js";
import { followSource, mapsOf } from "./learn-source.js";
import { words } from "./learn-words.js";

const SIDE = 6;
const at = (id) => document.getElementById(id);
let grid = fresh();
let shape = { size: 2, stride: 2 };
let chosen = [0, 0];
let real = null;

function fresh() {
  return range(SIDE).map(() => range(SIDE).map(() => Math.floor(Math.random() * 10)));
}

function inputs() {
  at("cells").style.setProperty("--columns", String(SIDE));
  at("cells").replaceChildren(
    ...grid.flatMap((line, y) =>
      line.map((value, x) => {
        const field = document.createElement("input");
        Object.assign(field, { type: "number", inputMode: "decimal", value: String(value), step: "any" });
        field.setAttribute("aria-label", words.cell(y, x));
        field.addEventListener("input", () => {
          grid[y][x] = Number.isFinite(field.valueAsNumber) ? field.valueAsNumber : 0;
          draw();
        });
        return field;
      }),
    ),
  );
}

function draw() {
  const most = pool(grid, shape);
  const mean = pool(grid, shape, "average");
  chosen = chosen.map((place, axis) => Math.min(place, (axis ? most.values[0].length : most.values.length) - 1));
  const [y, x] = chosen;
  results(at("max"), most.values);
  results(at("average"), mean.values);
  const won = new Set(most.winners.flat().map(([row, column]) => row * SIDE + column));
  const inside = (row, column) => row >= y * shape.stride && row < y * shape.stride + shape.size && column >= x * shape.stride && column < x * shape.stride + shape.size;
  [...at("cells").children].forEach((field, place) => {
    field.classList.toggle("won", won.has(place));
    field.classList.toggle("inside", inside(Math.floor(place / SIDE), place % SIDE));
  });
  at("max-said").textContent = words.won(...most.winners[y][x], figure(most.values[y][x]));
  at("average-said").textContent = words.averaged(shape.size ** 2, figure(mean.values[y][x]));
  at("overlap").textContent = shape.stride < shape.size ? words.overlap : words.apart;
  const used = (most.values.length - 1) * shape.stride + shape.size;
  at("unused").textContent = used < SIDE ? words.notUsed(SIDE ** 2 - used ** 2) : words.allUsed;
  drawReal();
}

function results(holder, values) {
  const limit = limitOf(values);
  holder.style.setProperty("--columns", String(values[0].length));
  const buttons = values.flatMap((line, y) =>
    line.map((value, x) => {
      const button = document.createElement("button");
      const colour = colourOf(value, limit, true);
      Object.assign(button, { type: "button", textContent: figure(value) });
      button.setAttribute("aria-pressed", String(y === chosen[0] && x === chosen[1]));
      button.style.setProperty("--cell", `rgb(${colour.join(" ")})`);
      button.classList.toggle("dark", total(colour) < 400);
      button.addEventListener("click", () => {
        chosen = [y, x];
        draw();
        holder.children[y * values[0].length + x].focus();
      });
      return button;
    }),
  );
  holder.replaceChildren(...buttons);
}

function drawReal() {
  if (!real) return;
  const channel = Number(at("channel").value);
  const map = real.maps[channel];
  const most = pool(map, shape).values;
  const signed = real.signed;
  const limit = limitOf(map);
  drawMap(at("before"), map, { signed, limit });
  drawMap(at("real-max"), most, { signed, limit });
  drawMap(at("real-average"), pool(map, shape, "average").values, { signed, limit });
  const own = real.pooled?.[channel];
  const same = own && own.length === most.length && own[0].length === most[0].length;
  at("same").textContent = same ? words.poolSame(real.poolName, difference(largestDifference(own, most))) : "";
}

for (const button of document.querySelectorAll("[data-window]")) {
  button.addEventListener("click", () => {
    const [size, stride] = button.dataset.window.split(",").map(Number);
    shape = { size, stride };
    for (const other of document.querySelectorAll("[data-window]")) other.setAttribute("aria-pressed", String(other === button));
    draw();
  });
}
at("shuffle").addEventListener("click", () => {
  grid = fresh();
  inputs();
  draw();
});
at("channel").addEventListener("change", drawReal);
inputs();
draw();

followSource(async (source, network, current) => {
  const [stage] = stagesOf(network.layers);
  const layer = stage?.relu ?? stage?.convolution ?? network.layers.find(({ shape: given }) => given.length === 3);
  const maps = await mapsOf(source, layer.name);
  const pooled = stage?.pool ? await mapsOf(source, stage.pool.name) : null;
  if (!current()) return;
  const strongest = range(maps.length).sort((one, other) => limitOf(maps[other]) - limitOf(maps[one]));
  real = { maps, pooled, poolName: stage?.pool?.name, signed: !stage?.relu };
  at("layer").textContent = layer.name;
  options(at("channel"), strongest.map((channel) => [String(channel), words.channel(channel)]), String(strongest[0]));
  at("real").hidden = false;
  drawReal();
});
