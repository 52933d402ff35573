// One place of one map, opened up: what it sees, its weights, their products and the sum.

import { at } from "./dom.js";
import { explain, problemOf } from "./explain-api.js";
import { isDeep, paint, scaleOf } from "./explain-colour.js";
import { biasOf, patchOf, productsOf, sumOf } from "./explain-patch.js";
import { tell, tellTrouble } from "./explain-say.js";
import { BUSY, figure, signed } from "./explain-words.js";
import { mark, t } from "./i18n.js";

const ROWS = 3; // input maps drawn: those that weigh most
const LOOK_BACK = 4; // layers before this one that may be what feeds it

const NO_BIAS = 1e-4;
const COLOURS = { 1: [mark("grey")], 3: [mark("red"), mark("green"), mark("blue")] };
const kernels = new Map(); // layer -> promise of its weights, the same for every photograph of a model

/** Opens the panel for a place of `strip`; `maps(layer)` gives the maps of a layer for the photograph of `page`. */
export async function openCell({ page, strip, channel, row, column, maps }) {
  const { layer } = strip;
  for (const id of ["value", "from", "sum", "strongest"]) tell(at(`cell-${id}`), null);
  tellTrouble(at("cell-trouble"), null);
  at("cell-rows").replaceChildren();
  tell(at("cell-title"), () =>
    t("`{layer}`, map {channel}, row {row}, column {column}", { layer: layer.name, channel, row: row + 1, column: column + 1 }),
  );
  tell(at("cell-busy"), () => t(BUSY));
  if (!at("cell").open) at("cell").showModal();
  try {
    const own = await maps(layer.name);
    const map = own.values[channel];
    tell(at("cell-value"), () => t("value {value}", { value: figure(map[row][column]) }));
    const convolutions = page.catalogue.methods.find(({ name }) => name === "filters")?.layers ?? [];
    if (convolutions.includes(layer.name)) await showConvolution(page, layer, channel, row, column, map, maps);
    else tell(at("cell-from"), () => t("Patch × kernel is shown for convolutions. This layer is none."));
  } catch (error) {
    tellTrouble(at("cell-trouble"), problemOf(error));
  }
  tell(at("cell-busy"), null);
}

async function showConvolution(page, layer, channel, row, column, map, maps) {
  const key = `${page.catalogue.model.sha256} ${layer.name}`;
  if (!kernels.has(key)) {
    const asked = explain({ method: "filters", layer: layer.name, version: page.catalogue.model.version });
    kernels.set(key, asked);
    asked.catch(() => kernels.delete(key));
  }
  const kernel = (await kernels.get(key)).values[channel];
  const source = await sourceOf(page, layer, kernel, map, maps);
  if (!source) {
    tell(at("cell-from"), () => t("Which layer feeds this convolution is not known here, so only its weights are shown."));
    showRows(kernel, null, null, strongest(kernel));
    return;
  }
  const patch = patchOf(source.input, [map.length, map[0].length], [kernel[0].length, kernel[0][0].length], row, column);
  const products = productsOf(patch, kernel);
  tell(at("cell-from"), () =>
    source.name
      ? t("Seen: the {count} maps of `{layer}`.", { count: kernel.length, layer: source.name })
      : t("Seen: the photograph as it goes into the network, standardised."),
  );
  tell(at("cell-sum"), () => added(sumOf(products), source.bias, map[row][column]));
  const most = kernel.length <= ROWS ? kernel.map((_, c) => c) : strongest(products);
  showRows(kernel, patch, products, most);
  if (kernel.length <= ROWS) return;
  tell(at("cell-strongest"), () =>
    t("The {shown} of {all} input maps that weigh most are drawn; the sum is over all.", { shown: ROWS, all: kernel.length }),
  );
}

function added(sum, bias, value) {
  const values = { sum: figure(sum), bias: signed(bias), value: figure(value) };
  return Math.abs(bias) < NO_BIAS
    ? t("The products sum to {sum}, the value of this place.", values)
    : t("The products sum to {sum}. With the bias {bias} that is {value}, the value of this place.", values);
}

/** What feeds a convolution: the photograph or a layer before it, whichever makes the arithmetic come out at every place tried. */
async function sourceOf(page, layer, kernel, map, maps) {
  const names = [...page.strips.keys()];
  const before = names.slice(0, names.indexOf(layer.name)).reverse();
  const near = before.filter((name) => page.strips.get(name).layer.shape[0] === kernel.length).slice(0, LOOK_BACK);
  for (const name of near) {
    const input = (await maps(name)).values;
    const bias = biasOf(input, kernel, map);
    if (bias !== null) return { name, input, bias };
  }
  const input = kernel.length <= 3 ? await photographInput(page) : null;
  const bias = input && biasOf(input, kernel, map);
  return bias === null || bias === undefined ? null : { name: null, input, bias };
}

/** The photograph as it goes into the network, (C, H, W), standardised; null where the service does not say how. */
async function photographInput(page) {
  const { mean, std } = page.catalogue.input;
  if (!mean || !std) return null;
  page.input ??= explain({ method: "feature_maps", layer: "input", grading_id: page.grading.id }, page.signal);
  const { values } = await page.input;
  return values.map((map, c) => map.map((line) => line.map((value) => (value - mean[c]) / std[c])));
}

/** The ROWS maps that weigh most, in their order. */
function strongest(maps) {
  const weight = (map) => map.flat().reduce((sum, value) => sum + Math.abs(value), 0);
  return maps.map((map, c) => [weight(map), c]).sort((one, other) => other[0] - one[0]).slice(0, ROWS).map(([, c]) => c).sort((a, b) => a - b);
}

function showRows(kernel, patch, products, chosen) {
  at("cell-rows").replaceChildren(
    ...chosen.map((c) => {
      const row = at("cell-row").content.firstElementChild.cloneNode(true);
      const colour = COLOURS[kernel.length]?.[c];
      tell(row.querySelector("h3"), () => (colour ? t(colour) : t("input map {index}", { index: c })));
      const figures = [...row.querySelectorAll("figure")];
      const parts = [[patch, mark("what it sees")], [kernel, mark("weights")], [products, null]];
      figures.forEach((drawn, index) => {
        const [values, caption] = parts[index];
        if (!values) return void (drawn.hidden = true);
        fill(drawn.querySelector("table"), values[c]);
        const sum = index === 2 ? figure(sumOf(values[c])) : null;
        tell(drawn.querySelector("figcaption"), () => (sum === null ? t(caption) : t("seen × weights: {sum}", { sum })));
      });
      for (const sign of row.querySelectorAll(".times")) sign.hidden = !patch;
      return row;
    }),
  );
}

function fill(table, values) {
  const bound = Math.max(...values.flat().map(Math.abs), 1e-9);
  const scale = scaleOf(true, -bound, bound);
  const colour = [0, 0, 0, 0];
  for (const line of values) {
    const row = table.insertRow();
    for (const value of line) {
      const cell = row.insertCell();
      cell.textContent = figure(value);
      paint(scale, value, colour, 0);
      cell.style.backgroundColor = `rgb(${colour.slice(0, 3).map(Math.round).join(" ")})`;
      cell.classList.toggle("deep", isDeep(colour));
    }
  }
}
