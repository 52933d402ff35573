// The page "What each layer sees": a strip of maps for every layer, fetched when it comes into view.

import { at } from "./dom.js";
import { ask, explain, problemOf } from "./explain-api.js";
import { openCell } from "./explain-cell.js";
import { newOverlay } from "./explain-overlay.js";
import { pickGrading } from "./explain-picker.js";
import { boxOnPhotograph, cellAt, middleOf, toInput, toPhotograph } from "./explain-place.js";
import { beside, tellTrouble } from "./explain-say.js";
import { newStrip } from "./explain-strip.js";
import { place } from "./explain-words.js";

let asking = new AbortController(); // of the photograph shown; fired when another is chosen
let page = null; // { grading, catalogue, strips, placement, layer }

const picture = newOverlay(at("layers-picture"), (x, y) => {
  if (!page?.placement) return null;
  const strip = page.strips.get(page.layer) ?? page.strips.values().next().value;
  return showPlace(toInput(page.placement, x, y), strip);
});
const watching = new IntersectionObserver(
  (entries) => {
    for (const { target, isIntersecting } of entries) if (isIntersecting) load(target);
  },
  { rootMargin: "300px" },
);

// the numbers below the maps have the page's ink
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => page?.strips.forEach((strip) => strip.redraw()));

pickGrading(async (grading) => {
  asking.abort();
  asking = new AbortController();
  const { signal } = asking;
  tellTrouble(at("layers-trouble"), null);
  at("seen").hidden = true;
  watching.disconnect();
  if (!grading) return;
  try {
    const version = grading.model?.version;
    const catalogue = await ask(`/v1/explain/methods${version ? `?version=${version}` : ""}`, { signal });
    const dead = await deadChannels(version, signal);
    page = { grading, catalogue, signal, strips: new Map(), placement: null, layer: null };
    picture.photograph(grading);
    picture.draw(null);
    picture.boxes([]);
    at("seen").hidden = false;
    const offered = catalogue.methods.find(({ name }) => name === "feature_maps")?.layers ?? [];
    const layers = catalogue.layers.filter(({ name }) => offered.includes(name));
    at("layers").replaceChildren(...layers.map((layer) => sectionOf(layer, dead.get(layer.name) ?? [])));
  } catch (error) {
    if (!signal.aborted) tellTrouble(at("layers-trouble"), problemOf(error));
  }
});

/** Channels that no training photograph activates, by layer; none where no gallery was made, which is ordinary. */
async function deadChannels(version, signal) {
  try {
    const gallery = await ask(`/v1/explain/gallery${version ? `?version=${version}` : ""}`, { signal });
    return new Map(gallery.layers.map((layer) => [layer.name, layer.dead ?? []]));
  } catch (error) {
    problemOf(error); // throws what is no answer of the service
    return new Map();
  }
}

function sectionOf(layer, dead) {
  const section = at("layer").content.firstElementChild.cloneNode(true);
  section.dataset.layer = layer.name;
  const strip = newStrip(section, layer, dead, {
    place: (x, y) => {
      page.layer = layer.name;
      const compose = showPlace([x, y], strip);
      if (page.placement) picture.show(...toPhotograph(page.placement, x, y), compose);
    },
    open: (channel, row, column) => openCell({ page, strip, channel, row, column, maps: mapsOf }),
  });
  page.strips.set(layer.name, strip);
  watching.observe(section);
  return section;
}

async function load(section) {
  watching.unobserve(section);
  const { signal } = page;
  const strip = page.strips.get(section.dataset.layer);
  strip.busy();
  try {
    const answer = await mapsOf(strip.layer.name);
    page.placement ??= answer.placement;
    strip.show(answer);
  } catch (error) {
    if (!signal.aborted) strip.trouble(problemOf(error));
  }
}

/** The maps of a layer for the photograph, asked for once. Throws as `explain`. */
function mapsOf(layer) {
  const strip = page.strips.get(layer);
  strip.asked ??= explain({ method: "feature_maps", layer, grading_id: page.grading.id }, page.signal);
  return strip.asked;
}

/** Marks a position of the input in every strip, and what that place of one strip sees on the photograph. Gives a function that
 * composes the words to read out, or null. */
function showPlace([x, y], strip) {
  for (const each of page.strips.values()) each.mark(x, y);
  if (!strip) return null;
  const [, h, w] = strip.layer.shape;
  const [row, column] = cellAt(h, w, x, y);
  const { width, height } = page.catalogue.input;
  const [middleX, middleY] = middleOf(h, w, row, column);
  const [halfX, halfY] = [(strip.layer.receptive_px ?? 1) / width / 2, (strip.layer.receptive_px ?? 1) / height / 2];
  const box = boxOnPhotograph(page.placement, [middleX - halfX, middleY - halfY, middleX + halfX, middleY + halfY]);
  picture.boxes([{ box, kind: "sees" }]);
  return () => beside(`\`${strip.layer.name}\``, place(row, column, h, w));
}
