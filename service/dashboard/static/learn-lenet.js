// The walk-through: the stages and the head, fed with what the network reported for one cucumber.

import { explain, pictureOf } from "./learn-api.js";
import { showHead } from "./learn-head.js";
import { pixelsOf, scaleOf, stagesOf, standardised } from "./learn-network.js";
import { attempt, followSource, mapsOf } from "./learn-source.js";
import { stageView } from "./learn-stage.js";
import { words } from "./learn-words.js";

const at = (id) => document.getElementById(id);
const views = [...document.querySelectorAll(".stage")].map(stageView);
const filters = new Map(); // layer -> (filters, channels, rows, columns); the same for every photograph

async function filtersOf(layer) {
  if (!filters.has(layer)) {
    const { values } = await explain("filters", null, { layer });
    filters.set(layer, values);
  }
  return filters.get(layer);
}

followSource(async (source, network, current) => {
  const stages = stagesOf(network.layers);
  at("not-lenet").textContent = stages.length ? words.notLenet(network.architecture) : words.noChain;
  at("not-lenet").hidden = network.architecture === "lenet" && stages.length > 0;
  let inputs = null;
  for (const [number, stage] of stages.entries()) {
    const kernels = await filtersOf(stage.convolution.name);
    const reported = {};
    for (const [part, layer] of Object.entries(stage)) reported[part] = await mapsOf(source, layer.name);
    const given = inputs ?? (await networkInput(source, network, kernels, reported.convolution));
    if (!current()) return; // another cucumber was chosen meanwhile
    views[number].show({ ...given, kernels, reported, layers: stage });
    inputs = { maps: Object.values(reported).at(-1), pixels: null, note: "" };
  }
  views.slice(stages.length).forEach((view) => view.hide());
  await attempt(() => showHead(source, network, current));
});

/** What the first convolution is given: the network's own input where the service tells it, else the photograph's pixels. */
async function networkInput(source, network, kernels, reported) {
  const { input, methods } = network;
  const told = methods.find(({ name }) => name === "feature_maps")?.layers.includes("input");
  const layer = told ? "input" : stagesOf(network.layers)[0].convolution.name;
  const { values, placement } = await explain("feature_maps", source, { layer });
  const { maps: pixels, exact } = told ? { maps: values, exact: true } : await pixelsOf(pictureOf(source), input, placement);
  const scale = input.mean ? input : scaleOf(pixels, kernels, reported);
  return { pixels, maps: standardised(pixels, scale), note: exact ? words.exact : words.resized, scale: words.scale(scale) };
}
