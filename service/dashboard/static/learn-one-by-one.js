// 1x1 convolution: maps mixed by sliders, and what a reduction of channels saves.

import { drawMap, figure, limitOf, row } from "./learn-draw.js";
import { each, mix, multiplications, range, relu, sum } from "./learn-math.js";
import { stagesOf } from "./learn-network.js";
import { followSource, mapsOf } from "./learn-source.js";
import { count, words } from "./learn-words.js";

const MIXED = 4;
const SIDE = 32;
const at = (id) => document.getElementById(id);
let maps = drawn();
let weights = [1, -1, 0.5, 0];

/** Four maps for a box without a network: a bar, a ramp, a disc, stripes. */
function drawn() {
  const made = (value) => range(SIDE).map((y) => range(SIDE).map((x) => value(y / (SIDE - 1), x / (SIDE - 1))));
  return [
    made((y) => (Math.abs(y - 0.5) < 0.18 ? 1 : 0)),
    made((_, x) => x),
    made((y, x) => (Math.hypot(y - 0.5, x - 0.5) < 0.3 ? 1 : 0)),
    made((_, x) => (Math.floor(x * 8) % 2 ? 1 : 0)),
  ];
}

function mixer(names) {
  const rows = names.map((name, number) => {
    const holder = document.createElement("div");
    const picture = document.createElement("div");
    const canvas = document.createElement("canvas");
    const label = document.createElement("label");
    const said = document.createElement("span");
    const slider = document.createElement("input");
    picture.className = "picture";
    picture.append(canvas);
    canvas.setAttribute("role", "img");
    canvas.setAttribute("aria-label", name);
    said.className = "said";
    Object.assign(slider, { type: "range", min: "-2", max: "2", step: "0.05", value: String(weights[number]) });
    slider.addEventListener("input", () => {
      weights[number] = slider.valueAsNumber;
      draw();
    });
    label.append(said, slider);
    holder.append(picture, label);
    holder.dataset.name = name;
    drawMap(canvas, maps[number], { signed: false });
    return holder;
  });
  at("mixer").replaceChildren(...rows);
}

function draw() {
  const mixed = mix(maps, weights);
  const rectified = at("relu").checked;
  drawMap(at("mixed"), rectified ? each(mixed, relu) : mixed, { signed: !rectified, limit: limitOf(mixed) });
  at("formula").textContent = [...at("mixer").children].map(({ dataset }, number) => `${figure(weights[number])} × ${dataset.name}`).join(" + ");
  [...at("mixer").children].forEach((holder, number) => {
    holder.querySelector(".said").textContent = `${holder.dataset.name}: × ${figure(weights[number])}`;
    holder.querySelector("input").value = String(weights[number]);
  });
}

function costs() {
  const read = (id) => Math.max(1, Math.floor(at(id).valueAsNumber || 1));
  const [side, inputs, reduced, channels, size] = ["side", "inputs", "reduced", "channels", "size"].map(read);
  const direct = multiplications(side, side, size, inputs, channels);
  const first = multiplications(side, side, 1, inputs, reduced);
  const second = multiplications(side, side, size, reduced, channels);
  const square = `${size}×${size}`;
  at("costs").replaceChildren(
    row([words.direct(square), count(direct), count(size * size * inputs * channels)]),
    row([words.reduce, count(first), count(inputs * reduced)]),
    row([words.after(square), count(second), count(size * size * reduced * channels)]),
    row([words.both, count(first + second), count(inputs * reduced + size * size * reduced * channels)]),
  );
  const most = Math.max(direct, first + second);
  bars([
    [words.without, [direct / most]],
    [words.with, [first / most, second / most]],
  ]);
  const factor = direct / (first + second);
  at("saving").textContent = factor >= 1 ? words.times(factor) : words.more(1 / factor);
}

function bars(lines) {
  const made = lines.flatMap(([name, parts]) => {
    const label = document.createElement("span");
    const bar = document.createElement("span");
    label.textContent = name;
    bar.className = "bar-parts";
    bar.append(
      ...parts.map((part) => {
        const piece = document.createElement("i");
        piece.style.setProperty("width", `${100 * part}%`);
        return piece;
      }),
    );
    return [label, bar];
  });
  at("bars").replaceChildren(...made);
}

at("relu").addEventListener("change", draw);
for (const id of ["side", "inputs", "reduced", "channels", "size"]) at(id).addEventListener("input", costs);
for (const button of document.querySelectorAll("[data-weights]")) {
  button.addEventListener("click", () => {
    weights = button.dataset.weights.split(",").map(Number);
    draw();
  });
}
at("maps-name").textContent = words.drawn;
mixer(words.drawnMaps);
draw();
costs();

followSource(async (source, network, current) => {
  const [stage] = stagesOf(network.layers);
  const layer = stage?.relu ?? stage?.convolution ?? network.layers.find(({ shape }) => shape.length === 3);
  const found = await mapsOf(source, layer.name);
  if (!current()) return;
  const chosen = range(found.length)
    .sort((one, other) => sum(each(found[other], Math.abs)) - sum(each(found[one], Math.abs)))
    .slice(0, MIXED);
  maps = chosen.map((channel) => found[channel]);
  weights = weights.slice(0, maps.length);
  at("maps-name").textContent = words.firstMaps(layer.name, chosen.join(", "));
  mixer(chosen.map(words.channel));
  draw();
});
