// The page "Channels": what `senka gallery` made of the model, layer by layer.

import { at } from "./dom.js";
import { ask, galleryFile, problemOf } from "./explain-api.js";
import { openChannel } from "./explain-channel.js";
import { dreams } from "./explain-dream.js";
import { pickGrading } from "./explain-picker.js";
import { beside, exactly, sentences, tell, tellTrouble } from "./explain-say.js";
import { aboutLayer, BUSY, modelName, structure } from "./explain-words.js";
import { percent, t } from "./i18n.js";

const FIRST = 48;

let gallery = null;

async function load() {
  tell(at("gallery-busy"), () => t(BUSY));
  try {
    gallery = await ask("/v1/explain/gallery");
  } catch (error) {
    const problem = problemOf(error);
    const missing = problem?.code === "gallery_not_made";
    at("gallery-missing").hidden = !missing;
    if (missing) at("gallery-detail").replaceChildren(...exactly(problem.detail));
    else tellTrouble(at("gallery-trouble"), problem);
    return;
  } finally {
    tell(at("gallery-busy"), null);
  }
  at("gallery").hidden = false;
  tell(at("gallery-model"), () => beside(modelName(gallery.model), `\`${gallery.architecture}\``, madeWith(gallery.data)));
  at("gallery-layer").replaceChildren(...gallery.layers.map(({ name, kind }) => new Option(`${name} (${kind})`, name)));
  choose(new URLSearchParams(location.search).get("layer"));
}

const madeWith = (data) =>
  data ? t("made with {count} photographs of `{name}`", { count: data.images, name: data.name }) : t("made without photographs");

function choose(name) {
  const layer = gallery.layers.find((each) => each.name === name) ?? gallery.layers.find(({ channels }) => channels.length) ?? gallery.layers[0];
  if (!layer) return;
  at("gallery-layer").value = layer.name;
  at("layer-title").textContent = `${layer.name} (${layer.kind})`;
  tell(at("layer-about"), () => aboutLayer(layer));
  showFilters(layer);
  const dead = layer.dead ?? [];
  at("layer-dead").hidden = dead.length === 0;
  tell(at("layer-dead"), () =>
    t("{count} dead: {channels}. No photograph that the gallery was made with activates them.", { count: dead.length, channels: dead.join(", ") }),
  );
  at("cards-none").hidden = layer.channels.length > 0;
  showCards(layer, FIRST);
}

function showFilters(layer) {
  at("filters-figure").hidden = !layer.filters;
  at("filters-none").hidden = Boolean(layer.filters);
  if (!layer.filters) return;
  const of = layer.filters_of ?? layer.name;
  at("filters").src = galleryFile(layer.filters, gallery);
  tell(at("filters-words"), () =>
    sentences(
      t("The learned filters of `{layer}`.", { layer: of }),
      layer.autocorrelation ? structure(layer.autocorrelation) : "",
    ),
  );
}

function showCards(layer, number) {
  at("cards").replaceChildren(
    ...layer.channels.slice(0, number).map((channel) => {
      const item = at("card").content.firstElementChild.cloneNode(true);
      const image = item.querySelector("img");
      const picture = channel.image ?? channel.top[0]?.crop;
      if (picture) image.src = galleryFile(picture, gallery);
      else image.hidden = true;
      tell(item.querySelector(".name"), () => t("Channel {index}", { index: channel.index }));
      tell(item.querySelector(".figures"), () =>
        typeof channel.active_share === "number" ? t("active at {share}", { share: percent(channel.active_share) }) : "",
      );
      item.querySelector(".dead-mark").hidden = !layer.dead?.includes(channel.index);
      item.querySelector("button").addEventListener("click", () => openChannel(gallery, layer, channel));
      return item;
    }),
  );
  at("cards-more").hidden = layer.channels.length <= number;
  tell(at("cards-more"), () => t("Show all {count}", { count: layer.channels.length }));
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
