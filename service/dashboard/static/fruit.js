// The fruit that has just been graded, large.

import { preparePhoto, showPhoto } from "./photo.js";
import { reason, words } from "./words.js";

const at = (id) => document.getElementById(id);

export function currentFruit(root) {
  const panel = document.querySelector(".fruit");
  const photo = at("fruit-photo");
  preparePhoto(photo);

  return (grading) => {
    const manual = grading.lane === "manual";
    const kind = kindOf(grading.grade);
    panel.dataset.kind = kind ?? "none";
    panel.dataset.lane = manual ? "manual" : "grade";
    at("fruit-sign").setAttribute("href", `#kind-${kind ?? "manual"}`);
    at("fruit-kind").textContent = kind ? words.kind[kind] : words.noGrade;
    at("fruit-grade").textContent = grading.grade ?? words.none;
    at("fruit-confidence").textContent = grading.grade ? words.sure(grading.confidence) : words.noGrade;
    at("fruit-second").textContent = grading.runner_up
      ? words.secondChoice(grading.runner_up.grade, grading.runner_up.probability)
      : "";
    at("fruit-reasons").replaceChildren(...grading.reasons.map(lineOf));
    at("fruit-why").href = whyPage(grading, root);
    at("fruit-why").hidden = !grading.grade;
    showPhoto(photo, grading, root);
  };
}

/** Where a grading's reasons are shown. */
export function whyPage(grading, root) {
  return `${root}/explain?grading=${encodeURIComponent(grading.id)}`;
}

function lineOf(code) {
  const text = document.createElement("span");
  text.textContent = reason(code);
  return text;
}

/** "BM" -> "bent". Read from the page's own rows, so that the kinds of fruit are written down once, in the service. */
export function kindOf(grade) {
  if (!grade) return null;
  return document.querySelector(`tr[data-grade="${CSS.escape(grade)}"]`)?.dataset.kind ?? null;
}
