// Which cucumber a page looks at: a grading of the network that serves, or a sample from its gallery.

import { bytesOf, explain, gallery, galleryFile, gradingsOf, methods, pictureOf } from "./learn-api.js";
import { options } from "./learn-draw.js";
import { words } from "./learn-words.js";

const at = (id) => document.getElementById(id);
const SAMPLES = 8;

/**
 * Fills the list of cucumbers and calls `show(photograph, network)` for the first one and whenever another is chosen.
 * `photograph` is {grading} or {address, blob}; `network` what /v1/explain/methods says. Errors are put on the page.
 */
export async function followSource(show) {
  let turn = 0;
  let found = [];
  let network;

  async function choose() {
    const mine = ++turn;
    const source = found[Number(at("source").value)];
    at("source-photo").src = pictureOf(source);
    at("source-photo").alt = words.photograph(source.name);
    await attempt(async () => {
      if (source.address && !source.blob) source.blob = await bytesOf(source.address);
      await show(source, network, () => mine === turn);
    });
  }

  await attempt(async () => {
    network = await methods();
    at("source-model").textContent = words.model(network.model, network.architecture);
    found = await sourcesOf(network);
    if (!found.length) {
      at("source-none").hidden = false;
      return;
    }
    options(at("source"), found.map((source, place) => [String(place), source.name]), "0");
    at("source-choice").hidden = false;
    at("source").addEventListener("change", choose);
    await choose();
  });
}

async function sourcesOf(network) {
  const gradings = await gradingsOf(network.model.sha256);
  const newest = gradings.map((grading) => ({ grading, name: words.grading(grading) }));
  if (newest.length) return newest;
  const made = await gallery().catch(() => null); // made or not, the page can go on
  const numbers = made?.neighbours ? Array.from({ length: SAMPLES }, (_, place) => place) : [];
  const file = (number) => galleryFile(made.neighbours.thumbnails.replace("{index:05d}", String(number).padStart(5, "0")));
  return numbers.map((number) => ({ address: file(number), name: words.sample(number + 1) }));
}

/** Runs something that may be refused; the refusal is put on the page. */
export async function attempt(work) {
  at("trouble").textContent = "";
  try {
    await work();
  } catch (error) {
    at("trouble").textContent = error.message;
  } finally {
    at("busy").textContent = "";
  }
}

/** Maps that the network gave in a layer, (C, h, w); says meanwhile what it waits for. */
export async function mapsOf(photograph, layer) {
  at("busy").textContent = words.asking(layer);
  const { values } = await explain("feature_maps", photograph, { layer });
  at("busy").textContent = "";
  return values;
}
