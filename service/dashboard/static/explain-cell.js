// One place of one map, opened up: what it sees, its weights, their products and the sum.

import { explain, inWords } from "./explain-api.js";
import { paint, scaleOf } from "./explain-colour.js";
import { biasOf, patchOf, productsOf, sumOf } from "./explain-patch.js";
import { figure, words } from "./explain-words.js";

const ROWS = 3; // input maps drawn: those that weigh most
const LOOK_BACK = 4; // layers before this one that may be what feeds it

const at = (id) => document.getElementById(id);
const kernels = new Map(); // layer -> promise of its weights, the same for every photograph of a model

/** Opens the panel for a place of `strip`; `maps(layer)` gives the maps of a layer for the photograph of `page`. */
export async function openCell({ page, strip, channel, row, column, maps }) {
  const { layer } = strip;
  for (const id of ["value", "trouble", "from", "sum", "strongest"]) at(`cell-${id}`).textContent = "";
  at("cell-rows").replaceChildren();
  at("cell-title").textContent = words.cellTitle(layer.name, channel, row, column);
  at("cell-busy").textContent = words.busy;
  if (!at("cell").open) at("cell").showModal();
  try {
    const own = await maps(layer.name);
    const map = own.values[channel];
    at("cell-value").textContent = words.cellValue(map[row][column]);
    const convolutions = page.catalogue.methods.find(({ name }) => name === "filters")?.layers ?? [];
    if (convolutions.includes(layer.name)) await showConvolution(page, layer, channel, row, column, map, maps);
    else at("cell-from").textContent = words.cell.notConvolution;
  } catch (error) {
    at("cell-trouble").textContent = inWords(error);
  }
  at("cell-busy").textContent = "";
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
    at("cell-from").textContent = words.cell.unknownInput;
    showRows(kernel, null, null, strongest(kernel));
    return;
  }
  const patch = patchOf(source.input, [map.length, map[0].length], [kernel[0].length, kernel[0][0].length], row, column);
  const products = productsOf(patch, kernel);
  at("cell-from").textContent = source.name ? words.cell.from(source.name, kernel.length) : words.cell.fromPhotograph;
  at("cell-sum").textContent = words.cell.sum(sumOf(products), source.bias, map[row][column]);
  const most = kernel.length <= ROWS ? kernel.map((_, c) => c) : strongest(products);
  showRows(kernel, patch, products, most);
  if (kernel.length > ROWS) at("cell-strongest").textContent = words.cell.strongest(ROWS, kernel.length);
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
      row.querySelector("h3").textContent = words.inputMap(c, kernel.length);
      const figures = [...row.querySelectorAll("figure")];
      const parts = [[patch, words.cell.patch], [kernel, words.cell.kernel], [products, words.cell.product]];
      figures.forEach((drawn, index) => {
        const [values, caption] = parts[index];
        if (!values) return void (drawn.hidden = true);
        fill(drawn.querySelector("table"), values[c]);
        drawn.querySelector("figcaption").textContent = index === 2 ? `${caption}: ${figure(sumOf(values[c]))}` : caption;
      });
      for (const sign of row.querySelectorAll(".sign")) sign.hidden = !patch;
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
      cell.classList.toggle("deep", Math.abs(value) > 0.7 * bound);
    }
  }
}
