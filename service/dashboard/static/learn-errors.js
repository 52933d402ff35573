// The error gallery: every misjudged photograph, and the confusion matrix as the way to some of them.

import { at, make } from "./dom.js";
import { label, moment, number, onLanguage, percent, say, t, tn } from "./i18n.js";
import { gallery, galleryFile } from "./learn-api.js";
import { tint } from "./learn-draw.js";
import { total } from "./learn-math.js";
import { attempt } from "./learn-source.js";

const TINY_PX = 96; // smaller pictures are shown with hard pixels
let made = null;
let only = null; // [true, predicted] of the cell that was tapped

function list() {
  const { items } = made.errors;
  const shown = items.filter((item) => !only || (item.true === only[0] && item.predicted === only[1]));
  at("listed").textContent = only
    ? t("Only {truth} taken for {predicted}: {count}", { truth: only[0], predicted: only[1], count: number(shown.length) })
    : t("All {count}, the surest first", { count: number(shown.length) });
  at("all").hidden = only === null;
  at("errors").replaceChildren(...shown.sort((one, other) => other.confidence - one.confidence).map(card));
  for (const button of at("confusion").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(only !== null && button.dataset.true === only[0] && button.dataset.predicted === only[1]));
  }
}

function card(item) {
  const pair = `${item.true} → ${item.predicted}`;
  const image = make("img", { src: galleryFile(item.image), alt: pair, loading: "lazy" });
  image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth <= TINY_PX));
  return make("li", {}, image, make("strong", { translate: "no" }, pair), make("span", {}, t("{share} sure", { share: percent(item.confidence) })));
}

function matrix({ confusion, grades }) {
  const most = Math.max(1, ...confusion.flatMap((line, y) => line.filter((_, x) => x !== y)));
  const heads = grades.map((grade) => make("th", { scope: "col" }, grade));
  const lines = confusion.map((counts, y) =>
    make("tr", {}, make("th", { scope: "row" }, grades[y]), counts.map((count, x) => cell(count, grades[y], grades[x], most))),
  );
  at("confusion").replaceChildren(make("tr", {}, make("td"), heads), ...lines);
}

function cell(count, truth, predicted, most) {
  if (truth === predicted) return make("td", { class: "right" }, String(count));
  if (!count) return make("td", {}, "·");
  const choose = () => {
    const again = only && only[0] === truth && only[1] === predicted;
    only = again ? null : [truth, predicted];
    list();
  };
  const button = make("button", { type: "button", onclick: choose, "data-true": truth, "data-predicted": predicted }, String(count));
  label(button, "aria-label", "{count} of {truth} judged {predicted}", { count, truth, predicted });
  tint(button, count, most, true);
  return make("td", {}, button);
}

function words() {
  const { errors, model, made_at: time } = made;
  const off = total(errors.confusion.flatMap((line, y) => line.filter((_, x) => x !== y)));
  const listed = errors.items.length;
  at("found-title").textContent = t("{count} of {images} photographs misjudged", { count: number(errors.count), images: number(errors.images) });
  at("checked").textContent =
    off === listed
      ? t("The confusion matrix has {off} off its diagonal: the same number.", { off: number(off) })
      : tn(
          listed,
          "The confusion matrix has {off} off its diagonal, but {count} photograph is listed: the gallery is not whole.",
          "The confusion matrix has {off} off its diagonal, but {count} photographs are listed: the gallery is not whole.",
          { off: number(off) },
        );
  say(at("made"), "Gallery of `{name}`, version {version}, made {time}.", { ...model, time: moment(time) });
}

at("all").addEventListener("click", () => {
  only = null;
  list();
  at("found-title").focus();
});
onLanguage(() => made?.errors && (words(), list()));

attempt(async () => {
  made = await gallery();
  at("missing").hidden = made.errors !== null;
  if (!made.errors) return;
  at("found").hidden = false;
  words();
  matrix(made.errors);
  list();
});
