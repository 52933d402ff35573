// Max against average pooling: on a grid that can be edited, and on a map of a real cucumber.

import { at, make } from "./dom.js";
import { onLanguage, say, t } from "./i18n.js";
import { drawMap, limitOf, options, press, tint } from "./learn-draw.js";
import { cellWord, channelWord, difference, figure } from "./learn-figures.js";
import { largestDifference, pool, range } from "./learn-math.js";
import { stagesOf } from "./learn-network.js";
import { followSource, mapsOf } from "./learn-source.js";

const SIDE = 6;
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
        const field = make("input", { type: "number", inputmode: "decimal", value, step: "any" });
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
  const inside = (place, from) => place >= from * shape.stride && place < from * shape.stride + shape.size;
  [...at("cells").children].forEach((field, place) => {
    const [row, column] = [Math.floor(place / SIDE), place % SIDE];
    field.setAttribute("aria-label", cellWord(row, column));
    field.classList.toggle("won", won.has(place));
    field.classList.toggle("inside", inside(row, y) && inside(column, x));
  });
  at("max-said").textContent = t("{value}, from {cell}", { value: figure(most.values[y][x]), cell: cellWord(...most.winners[y][x]) });
  at("average-said").textContent = t("{value}, the mean of {count} cells", { value: figure(mean.values[y][x]), count: shape.size ** 2 });
  at("overlap").textContent =
    shape.stride < shape.size ? t("Windows overlap: a cell can win more than once.") : t("Windows do not overlap: each cell is looked at once.");
  const used = (most.values.length - 1) * shape.stride + shape.size;
  at("unused").textContent =
    used < SIDE
      ? t("{count} cells at the right and bottom edge are in no window: the last steps do not fit.", { count: SIDE ** 2 - used ** 2 })
      : t("Every cell is in a window.");
  drawReal();
}

function results(holder, values) {
  const limit = limitOf(values);
  holder.style.setProperty("--columns", String(values[0].length));
  const buttons = values.flatMap((line, y) =>
    line.map((value, x) => {
      const choose = () => {
        chosen = [y, x];
        draw();
        holder.children[y * values[0].length + x].focus();
      };
      const pressed = String(y === chosen[0] && x === chosen[1]);
      const button = make("button", { type: "button", "aria-pressed": pressed, onclick: choose }, figure(value));
      tint(button, value, limit, true);
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
  const { signed } = real;
  const limit = limitOf(map);
  drawMap(at("before"), map, { signed, limit });
  drawMap(at("real-max"), most, { signed, limit });
  drawMap(at("real-average"), pool(map, shape, "average").values, { signed, limit });
  const own = real.pooled?.[channel];
  const same = own && own.length === most.length && own[0].length === most[0].length;
  at("same").hidden = !same;
  if (!same) return;
  say(at("same"), "The network’s own `{layer}` differs from the max map by {most} at most.", {
    layer: real.poolName,
    most: difference(largestDifference(own, most)),
  });
}

function offerChannels(channel) {
  const pairs = real.strongest.map((each) => [String(each), channelWord(each)]);
  options(at("channel"), pairs, channel);
}

const windows = document.querySelectorAll("[data-window]");
for (const button of windows) {
  button.addEventListener("click", () => {
    const [size, stride] = button.dataset.window.split(",").map(Number);
    shape = { size, stride };
    press(windows, button);
    draw();
  });
}
at("shuffle").addEventListener("click", () => {
  grid = fresh();
  inputs();
  draw();
});
at("channel").addEventListener("change", drawReal);
onLanguage(() => {
  if (real) offerChannels(at("channel").value);
  draw();
});
inputs();
draw();

followSource(async (source, network, current) => {
  const [stage] = stagesOf(network.layers);
  const layer = stage?.relu ?? stage?.convolution ?? network.layers.find(({ shape: given }) => given.length === 3);
  const maps = await mapsOf(source, layer.name);
  const pooled = stage?.pool ? await mapsOf(source, stage.pool.name) : null;
  if (!current()) return;
  const strongest = range(maps.length).sort((one, other) => limitOf(maps[other]) - limitOf(maps[one]));
  real = { maps, pooled, strongest, poolName: stage?.pool?.name, signed: !stage?.relu };
  say(at("layer"), "Channel of `{layer}`", { layer: layer.name });
  offerChannels(String(strongest[0]));
  at("real").hidden = false;
  drawReal();
});
