// The page "Channels": what `senka gallery` made of the model, layer by layer.

import { ask, galleryFile, inWords, Problem } from "./explain-api.js";
import { openChannel } from "./explain-channel.js";
import { dreams } from "./explain-dream.js";
import { pickGrading } from "./explain-picker.js";
import { words } from "./explain-words.js";

const FIRST = 48;

const at = (id) => document.getElementById(id);

let gallery = null;

async function load() {
  at("gallery-busy").textContent = words.busy;
  try {
    gallery = await ask("/v1/explain/gallery");
  } catch (error) {
    const text = inWords(error);
    const missing = error instanceof Problem && error.code === "gallery_not_made";
    at("gallery-missing").hidden = !missing;
    at(missing ? "gallery-detail" : "gallery-trouble").textContent = missing ? error.message : text;
    return;
  } finally {
    at("gallery-busy").textContent = "";
  }
  at("gallery").hidden = false;
  at("gallery-model").textContent = [
    words.modelName(gallery.model),
    gallery.architecture,
    gallery.data ? words.madeWith(gallery.data.images, gallery.data.name) : words.madeWithout,
  ].join(" · ");
  at("gallery-layer").replaceChildren(...gallery.layers.map(({ name, kind }) => new Option(`${name} (${kind})`, name)));
  choose(new URLSearchParams(location.search).get("layer"));
}

function choose(name) {
  const layer = gallery.layers.find((each) => each.name === name) ?? gallery.layers.find(({ channels }) => channels.length) ?? gallery.layers[0];
  if (!layer) return;
  at("gallery-layer").value = layer.name;
  at("layer-title").textContent = `${layer.name} (${layer.kind})`;
  at("layer-about").textContent = [
    words.layerShape(layer.shape),
    layer.receptive_px ? words.receptive(layer.receptive_px, layer.stride_px) : "",
  ].filter(Boolean).join("; ") + ".";
  showFilters(layer);
  at("layer-dead").hidden = !layer.dead?.length;
  at("layer-dead").textContent = layer.dead?.length ? `${words.deadCount(layer.dead.length)}: ${layer.dead.join(", ")}. ${words.deadMeans}` : "";
  at("cards-none").hidden = layer.channels.length > 0;
  showCards(layer, FIRST);
}

function showFilters(layer) {
  at("filters-figure").hidden = !layer.filters;
  at("filters-none").hidden = Boolean(layer.filters);
  at("filters-none").textContent = words.noFilters;
  if (!layer.filters) return;
  const of = layer.filters_of ?? layer.name;
  at("filters").src = galleryFile(layer.filters, gallery);
  at("filters").alt = words.filtersOf(of);
  at("filters-words").textContent = [
    `${words.filtersOf(of)}.`,
    layer.autocorrelation ? words.structure(layer.autocorrelation) : "",
  ].filter(Boolean).join(" ");
}

function showCards(layer, number) {
  at("cards").replaceChildren(
    ...layer.channels.slice(0, number).map((channel) => {
      const item = at("card").content.firstElementChild.cloneNode(true);
      const image = item.querySelector("img");
      const picture = channel.image ?? channel.top[0]?.crop;
      if (picture) image.src = galleryFile(picture, gallery);
      else image.hidden = true;
      item.querySelector(".name").textContent = words.channel(channel.index);
      item.querySelector(".figures").textContent = typeof channel.active_share === "number" ? words.activeShort(channel.active_share) : "";
      item.querySelector(".dead-mark").hidden = !layer.dead?.includes(channel.index);
      item.querySelector("button").addEventListener("click", () => openChannel(gallery, layer, channel));
      return item;
    }),
  );
  at("cards-more").hidden = layer.channels.length <= number;
  at("cards-more").textContent = words.showAll(layer.channels.length);
  at("cards-more").onclick = () => showCards(layer, Infinity);
}

at("gallery-layer").addEventListener("change", () => {
  const address = new URL(location.href);
  address.searchParams.set("layer", at("gallery-layer").value);
  history.replaceState(null, "", address);
  choose(at("gallery-layer").value);
});
load();
pickGrading(dreams());
