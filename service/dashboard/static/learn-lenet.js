// The walk-through: the stages and the head, fed with what the network reported for one cucumber.

import { at } from "./dom.js";
import { say } from "./i18n.js";
import { explain } from "./learn-api.js";
import { cut } from "./learn-figures.js";
import { showHead } from "./learn-head.js";
import { stagesOf, standardised } from "./learn-network.js";
import { attempt, followSource, mapsOf } from "./learn-source.js";
import { stageView } from "./learn-stage.js";

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
  const { architecture } = network;
  if (stages.length) say(at("not-lenet"), "The network that serves is no LeNet but `{architecture}`. The first layers work alike: they are shown here.", { architecture });
  else say(at("not-lenet"), "This network does not begin with a convolution that can be followed cell by cell.");
  at("not-lenet").hidden = architecture === "lenet" && stages.length > 0;
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
  const list = (values) => values.map(cut).join(", ");
  return { pixels, maps: standardised(pixels, input), scale: { mean: list(input.mean), std: list(input.std) } };
}
