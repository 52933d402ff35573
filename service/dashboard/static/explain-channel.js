// One channel: the picture made to drive it, the photographs that drive it highest, what it adds to each grade.

import { at } from "./dom.js";
import { galleryFile } from "./explain-api.js";
import { tell } from "./explain-say.js";
import { scrubber } from "./explain-scrub.js";
import { figure, signed } from "./explain-words.js";
import { label, mark, percent, t } from "./i18n.js";

const WEIGHTS = mark("Weights of the last layer: what a unit of this channel adds to each grade's points.");
const CONTRIBUTION = {
  weights: WEIGHTS,
  gradient_x_activation: mark("Points that it adds to each grade, on average over the photographs."),
};

/** Opens the panel of a channel of a gallery's layer. */
export function openChannel(gallery, layer, channel) {
  tell(at("channel-title"), () => t("`{layer}`, channel {index}", { layer: layer.name, index: channel.index }));
  tell(at("channel-figures"), () => (typeof channel.mean === "number" ? statistics(channel) : ""));
  at("channel-dead").hidden = !layer.dead?.includes(channel.index);
  showMaking(gallery, channel);
  showGrades(layer, channel);
  showTop(gallery, channel);
  at("channel").showModal();
}

const statistics = ({ mean, maximum, active_share: share }) =>
  t("mean {mean}, largest {largest}, active at {share} of places", { mean: figure(mean), largest: figure(maximum), share: percent(share) });

function showMaking(gallery, channel) {
  const frames = channel.frames.length ? channel.frames : [channel.image].filter(Boolean);
  at("making-none").hidden = frames.length > 0;
  at("making").replaceChildren();
  if (!frames.length) return;
  const alt = () => t("picture that drives channel {index} highest", { index: channel.index });
  at("making").append(scrubber(frames.map((path) => galleryFile(path, gallery)), channel.objective, alt));
}

function showGrades(layer, channel) {
  const weights = Object.entries(channel.weights_to_grades ?? {});
  tell(at("grades-words"), () => (weights.length ? t(CONTRIBUTION[layer.contribution] ?? WEIGHTS) : t("Not known for this layer.")));
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
        if (other) label(crop, "alt", "the same, projected back to the pixels (deconvolution)");
        else label(crop, "alt", "part of a training photograph");
        whole.src = galleryFile(found.photograph, gallery);
        item.querySelector("a").href = whole.src;
        tell(item.querySelector(".activation"), () => t("activation {value}", { value: figure(found.activation) }));
        return item;
      }),
    );
  projected.onchange = draw;
  draw();
}
