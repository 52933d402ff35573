// The error gallery: every misjudged photograph, and the confusion matrix as the way to some of them.

import { gallery, galleryFile } from "./learn-api.js";
import { colourOf } from "./learn-draw.js";
import { total } from "./learn-math.js";
import { attempt } from "./learn-source.js";
import { words } from "./learn-words.js";

const at = (id) => document.getElementById(id);
let errors = null;
let only = null; // [true, predicted] of the cell that was tapped

function list() {
  const shown = errors.items.filter((item) => !only || (item.true === only[0] && item.predicted === only[1]));
  at("listed").textContent = only ? words.only(...only, shown.length) : words.everything(shown.length);
  at("all").hidden = only === null;
  at("all").textContent = words.all;
  at("errors").replaceChildren(...shown.sort((one, other) => other.confidence - one.confidence).map(card));
  for (const button of at("confusion").querySelectorAll("button")) {
    button.setAttribute("aria-pressed", String(only !== null && button.dataset.true === only[0] && button.dataset.predicted === only[1]));
  }
}

function card(item) {
  const holder = document.createElement("li");
  const image = document.createElement("img");
  const pair = document.createElement("strong");
  const sure = document.createElement("span");
  pair.textContent = words.pair(item.true, item.predicted);
  sure.textContent = words.sureOf(item.confidence);
  Object.assign(image, { src: galleryFile(item.image), alt: pair.textContent, loading: "lazy" });
  image.addEventListener("load", () => image.classList.toggle("tiny", image.naturalWidth <= 96));
  holder.append(image, pair, sure);
  return holder;
}

function matrix({ confusion, grades }) {
  const most = Math.max(1, ...confusion.flatMap((line, y) => line.filter((_, x) => x !== y)));
  const heading = (text, scope) => Object.assign(document.createElement("th"), { textContent: text, scope });
  const head = document.createElement("tr");
  head.append(document.createElement("td"), ...grades.map((grade) => heading(grade, "col")));
  const lines = confusion.map((counts, y) => {
    const line = document.createElement("tr");
    line.append(heading(grades[y], "row"), ...counts.map((number, x) => cell(number, grades[y], grades[x], most)));
    return line;
  });
  at("confusion").replaceChildren(head, ...lines);
}

function cell(number, truth, predicted, most) {
  const holder = document.createElement("td");
  const right = truth === predicted;
  holder.classList.toggle("right", right);
  if (right || !number) {
    holder.textContent = right ? String(number) : "·";
    return holder;
  }
  const button = document.createElement("button");
  const colour = colourOf(number, most, true);
  Object.assign(button, { type: "button", textContent: String(number) });
  Object.assign(button.dataset, { true: truth, predicted });
  button.setAttribute("aria-label", words.cellName(truth, predicted, number));
  button.style.setProperty("--cell", `rgb(${colour.join(" ")})`);
  button.classList.toggle("dark", total(colour) < 400);
  button.addEventListener("click", () => {
    const again = only && only[0] === truth && only[1] === predicted;
    only = again ? null : [truth, predicted];
    list();
  });
  holder.append(button);
  return holder;
}

at("all").addEventListener("click", () => {
  only = null;
  list();
  at("found-title").focus();
});

attempt(async () => {
  const made = await gallery();
  errors = made.errors;
  at("missing").hidden = errors !== null;
  if (!errors) return;
  const off = total(errors.confusion.flatMap((line, y) => line.filter((_, x) => x !== y)));
  at("found").hidden = false;
  at("found-title").textContent = words.missed(errors.count, errors.images);
  at("checked").textContent = off === errors.items.length ? words.checked(off) : words.unchecked(off, errors.items.length);
  at("made").textContent = words.galleryModel(made.model, made.made_at);
  matrix(errors);
  list();
});
