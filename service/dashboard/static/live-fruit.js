// The fruit that has just been graded, large.

import { at } from "./dom.js";
import { kindOf, kindWord, reasonWord, whyPage } from "./fruit.js";
import { label, number, percent, t } from "./i18n.js";
import { preparePhoto, showPhoto } from "./photo.js";

export function currentFruit() {
  const panel = document.querySelector(".fruit");
  const photo = at("fruit-photo");
  preparePhoto(photo);

  return (grading) => {
    const manual = grading.lane === "manual";
    const kind = kindOf(grading.grade);
    const second = grading.runner_up;
    panel.dataset.kind = kind ?? "none";
    panel.dataset.lane = manual ? "manual" : "grade";
    at("fruit-sign").setAttribute("href", `#kind-${kind ?? "manual"}`);
    at("fruit-kind").textContent = kindWord(kind);
    at("fruit-grade").textContent = grading.grade ?? "–";
    at("fruit-confidence").textContent = grading.grade ? t("{share} sure", { share: percent(grading.confidence) }) : t("no grade");
    at("fruit-second").textContent = second ? t("second choice {grade}, {share}", { grade: second.grade, share: percent(second.probability) }) : "";
    at("fruit-measures").textContent = measures(grading.measurement);
    at("fruit-reasons").replaceChildren(...grading.reasons.map(lineOf));
    const why = at("fruit-why");
    why.href = whyPage(grading.id);
    why.hidden = !grading.grade;
    label(why, "aria-label", "Why? The reasons for the grade {grade}", { grade: grading.grade });
    showPhoto(photo, grading);
  };
}

/** Length and bend, where they were measured. Bend is the arc's height per 10 cm of chord, as grade standards quote it. */
export function measures(measurement) {
  if (!measurement) return "";
  const { length_mm: lengthMm, bend_ratio: bend } = measurement;
  return [
    lengthMm != null && t("{count} cm long", { count: number(lengthMm / 10, 1) }),
    bend != null && t("bend {count} mm per 10 cm", { count: number(bend * 100) }),
  ]
    .filter(Boolean)
    .join(" · ");
}

function lineOf(code) {
  const text = document.createElement("span");
  text.textContent = reasonWord(code);
  return text;
}
