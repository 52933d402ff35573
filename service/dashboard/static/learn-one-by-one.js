// 1x1 convolution: maps mixed by sliders, and what a reduction of channels saves.

import { at, make } from "./dom.js";
import { mark, number, onLanguage, say, t } from "./i18n.js";
import { drawMap, limitOf, picture, row } from "./learn-draw.js";
import { channelWord, figure } from "./learn-figures.js";
import { each, mix, multiplications, range, relu, sum } from "./learn-math.js";
import { stagesOf } from "./learn-network.js";
import { followSource, mapsOf } from "./learn-source.js";

const MIXED = 4;
const SIDE = 32;
const FIELDS = ["side", "inputs", "reduced", "channels", "size"];
const DRAWN = [mark("bar"), mark("ramp"), mark("disc"), mark("stripes")];
let maps = drawn();
let channels = null; // their numbers in the network's layer; null for the drawn ones
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

const nameOf = (place) => (channels ? channelWord(channels[place]) : t(DRAWN[place]));

function mixer() {
  at("mixer").replaceChildren(
    ...maps.map((map, place) => {
      const canvas = make("canvas");
      const slider = make("input", { type: "range", min: "-2", max: "2", step: "0.05", value: weights[place] });
      slider.addEventListener("input", () => {
        weights[place] = slider.valueAsNumber;
        draw();
      });
      drawMap(canvas, map, { signed: false });
      return make("div", {}, picture(nameOf(place), canvas), make("label", {}, make("span", { class: "said" }), slider));
    }),
  );
}

function draw() {
  const mixed = mix(maps, weights);
  const rectified = at("relu").checked;
  drawMap(at("mixed"), rectified ? each(mixed, relu) : mixed, { signed: !rectified, limit: limitOf(mixed) });
  at("formula").textContent = maps.map((_, place) => `${figure(weights[place])} × ${nameOf(place)}`).join(" + ");
  [...at("mixer").children].forEach((holder, place) => {
    holder.querySelector(".said").textContent = `${nameOf(place)}: × ${figure(weights[place])}`;
    holder.querySelector("input").value = String(weights[place]);
  });
}

function costs() {
  const read = (id) => Math.max(1, Math.floor(at(id).valueAsNumber || 1));
  const [side, inputs, reduced, outputs, size] = FIELDS.map(read);
  const direct = multiplications(side, side, size, inputs, outputs);
  const first = multiplications(side, side, 1, inputs, reduced);
  const second = multiplications(side, side, size, reduced, outputs);
  const square = `${size}×${size}`;
  at("costs").replaceChildren(
    row([t("{square} at once", { square }), number(direct), number(size * size * inputs * outputs)]),
    row([t("1×1 reduction"), number(first), number(inputs * reduced)]),
    row([t("{square} on what is left", { square }), number(second), number(size * size * reduced * outputs)]),
    row([t("both together"), number(first + second), number(inputs * reduced + size * size * reduced * outputs)]),
  );
  const most = Math.max(direct, first + second);
  at("bars").replaceChildren(
    ...bar(t("without reduction"), [direct / most]),
    ...bar(t("with reduction"), [first / most, second / most]),
  );
  const factor = direct / (first + second);
  at("saving").textContent = factor >= 1 ? t("{factor} times fewer", { factor: number(factor, 1) }) : t("{factor} times more", { factor: number(1 / factor, 1) });
}

function bar(text, parts) {
  const pieces = parts.map((part) => {
    const piece = make("i");
    piece.style.setProperty("width", `${100 * part}%`);
    return piece;
  });
  return [make("span", {}, text), make("span", { class: "bar-parts" }, pieces)];
}

function drawAll() {
  mixer();
  draw();
  costs();
}

at("relu").addEventListener("change", draw);
for (const id of FIELDS) at(id).addEventListener("input", costs);
for (const button of document.querySelectorAll("[data-weights]")) {
  button.addEventListener("click", () => {
    weights = button.dataset.weights.split(",").map(Number).slice(0, maps.length);
    draw();
  });
}
say(at("maps-name"), "Drawn maps, until a network has answered for a cucumber");
onLanguage(drawAll);
drawAll();

followSource(async (source, network, current) => {
  const [stage] = stagesOf(network.layers);
  const layer = stage?.relu ?? stage?.convolution ?? network.layers.find(({ shape }) => shape.length === 3);
  const found = await mapsOf(source, layer.name);
  if (!current()) return;
  channels = range(found.length)
    .sort((one, other) => sum(each(found[other], Math.abs)) - sum(each(found[one], Math.abs)))
    .slice(0, MIXED);
  maps = channels.map((channel) => found[channel]);
  weights = weights.slice(0, maps.length);
  say(at("maps-name"), "Maps of `{layer}`: channels {list}, those with the most in them", { layer: layer.name, list: channels.join(", ") });
  mixer();
  draw();
});
