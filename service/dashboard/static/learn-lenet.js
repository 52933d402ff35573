// The walk-through: the stages and the head, fed with what the network reported for one cucumber.

import { explain } from "./learn-api.js";
import { showHead } from "./learn-head.js";
import { stagesOf, standardised } from "./learn-network.js";
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
    const given = inputs ?? (await networkInput(source, network));
    if (!current()) return; // another cucumber was chosen meanwhile
    views[number].show({ ...given, kernels, reported });
    inputs = { maps: Object.values(reported).at(-1), pixels: null };
  }
  views.slice(stages.length).forEach((view) => view.hide());
  await attempt(() => showHead(source, network, current));
});

/** What the first convolution is given: the photograph as the network takes it, before and after its normalisation. */
async function networkInput(source, { input }) {
  const pixels = await mapsOf(source, "input");
  return { pixels, maps: standardised(pixels, input), scale: words.scale(input) };
}
