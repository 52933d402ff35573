// Which cucumber a chapter looks at: a grading of the network that serves, or a sample from its gallery.

import { exactly } from "./dialog.js";
import { at } from "./dom.js";
import { clock, day, label, nodes, onLanguage, percent, say, t } from "./i18n.js";
import { bytesOf, explain, gallery, galleryFile, gradingsOf, methods, pictureOf, wordsOf } from "./learn-api.js";
import { options } from "./learn-draw.js";

const SAMPLES = 8;
let problem = null; // the one that the page shows

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
    await attempt(async () => {
      if (source.address && !source.blob) source.blob = await bytesOf(source.address);
      await show(source, network, () => mine === turn);
    });
  }

  const list = () => options(at("source"), found.map((source, place) => [String(place), nameOf(source)]), at("source").value || "0");

  label(at("source-photo"), "alt", "the cucumber that is looked at");
  at("source-photo").addEventListener("load", () => (at("source-photo").hidden = false));
  at("source-photo").addEventListener("error", () => (at("source-photo").hidden = true)); // not kept any more
  at("source").addEventListener("change", choose);
  onLanguage(list);
  await attempt(async () => {
    network = await methods();
    const { name, version } = network.model;
    say(at("source-model"), "Network `{name}`, version {version}: `{architecture}`", { name, version, architecture: network.architecture });
    found = await sourcesOf(network);
    at("source-none").hidden = found.length > 0;
    at("source-choice").hidden = !found.length;
    if (!found.length) return;
    list();
    await choose();
  });
}

async function sourcesOf(network) {
  const gradings = await gradingsOf(network.model.sha256);
  if (gradings.length) return gradings.map((grading) => ({ grading }));
  let made = null;
  try {
    made = await gallery();
  } catch (missing) {
    if (missing.code !== "gallery_not_made") throw missing;
  }
  const numbers = made?.neighbours ? Array.from({ length: SAMPLES }, (_, place) => place) : [];
  const file = (number) => galleryFile(made.neighbours.thumbnails.replace("{index:05d}", String(number).padStart(5, "0")));
  return numbers.map((number) => ({ address: file(number), sample: number + 1 }));
}

function nameOf({ grading, sample }) {
  if (!grading) return t("training photograph {number}", { number: sample });
  const { grade, confidence, received_at: time } = grading;
  return t("{grade}, {share} sure, {time}", { grade, share: percent(confidence), time: `${day(time)} ${clock(time)}` });
}

/** Runs something that may be refused; the refusal is put on the page. */
export async function attempt(work) {
  problem = null;
  tell();
  try {
    await work();
  } catch (refusal) {
    if (!refusal.words) throw refusal; // an error of this page, not of the service
    problem = refusal;
    tell();
  } finally {
    at("busy").replaceChildren();
    delete at("busy").dataset.t;
  }
}

function tell() {
  at("trouble").replaceChildren(...(problem ? [...nodes(wordsOf(problem)), " ", ...exactly(problem)] : []));
}
onLanguage(tell);

/** Maps that the network gave in a layer, (C, h, w); says meanwhile what it waits for. */
export async function mapsOf(photograph, layer) {
  say(at("busy"), "Asking the network for `{layer}` …", { layer });
  const { values } = await explain("feature_maps", photograph, { layer });
  at("busy").replaceChildren();
  delete at("busy").dataset.t;
  return values;
}
