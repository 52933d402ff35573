// One channel: the picture made to drive it, the photographs that drive it highest, what it adds to each grade.

import { galleryFile } from "./explain-api.js";
import { scrubber } from "./explain-scrub.js";
import { signed, words } from "./explain-words.js";

const at = (id) => document.getElementById(id);

/** Opens the panel of a channel of a gallery's layer. */
export function openChannel(gallery, layer, channel) {
  at("channel-title").textContent = `${layer.name}: ${words.channel(channel.index)}`;
  at("channel-figures").textContent = typeof channel.mean === "number" ? words.statistics(channel) : "";
  at("channel-dead").hidden = !layer.dead?.includes(channel.index);
  at("channel-dead").textContent = words.deadChannel;
  showMaking(gallery, channel);
  showGrades(layer, channel);
  showTop(gallery, channel);
  at("channel").showModal();
}

function showMaking(gallery, channel) {
  const frames = channel.frames.length ? channel.frames : [channel.image].filter(Boolean);
  if (!frames.length) {
    at("making").textContent = words.noPicture;
    return;
  }
  at("making").replaceChildren(scrubber(frames.map((path) => galleryFile(path, gallery)), channel.objective, words.optimised(channel.index)));
}

function showGrades(layer, channel) {
  const weights = Object.entries(channel.weights_to_grades ?? {});
  at("grades-words").textContent = weights.length ? (words.contribution[layer.contribution] ?? words.contribution.weights) : words.noContribution;
  const low = Math.min(0, ...weights.map(([, value]) => value));
  const high = Math.max(0, ...weights.map(([, value]) => value));
  const share = (value) => `${(100 * (value - low)) / (high - low || 1)}%`;
  at("grades-bars").replaceChildren(
    ...weights.map(([grade, value]) => {
      const item = at("bar").content.firstElementChild.cloneNode(true);
      item.dataset.sign = value < 0 ? "against" : "for";
      item.querySelector(".name").textContent = grade;
      item.querySelector(".amount").textContent = signed(value);
      item.querySelector(".zero").style.left = share(0);
      item.querySelector(".fill").style.left = share(Math.min(0, value));
      item.querySelector(".fill").style.width = `${(100 * Math.abs(value)) / (high - low || 1)}%`;
      return item;
    }),
  );
}

function showTop(gallery, channel) {
  const projected = at("top-deconvolution");
  at("top-none").hidden = channel.top.length > 0;
  at("top-switch").hidden = !channel.top.some(({ deconvolution }) => deconvolution);
  const draw = () =>
    at("top").replaceChildren(
      ...channel.top.map((found) => {
        const item = at("crop").content.firstElementChild.cloneNode(true);
        const [crop, whole] = item.querySelectorAll("img");
        const other = projected.checked && found.deconvolution;
        crop.src = galleryFile(other ? found.deconvolution : found.crop, gallery);
        crop.alt = other ? words.unprojected : words.crop;
        whole.src = galleryFile(found.photograph, gallery);
        whole.alt = words.wholePhotograph;
        item.querySelector("a").href = whole.src;
        item.querySelector("span").textContent = words.activation(found.activation);
        return item;
      }),
    );
  projected.onchange = draw;
  draw();
}
