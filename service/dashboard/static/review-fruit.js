// The fruit that is looked at: its photograph, what the model said of it, why it is here, and what was measured.

import { at, make, sign } from "./dom.js";
import { gradeWord, gradingPage, kindOf, kindWord, reasonWord, whyPage } from "./fruit.js";
import { label, mark, moment, number, percent, t } from "./i18n.js";
import { photograph, photographNow } from "./review-photos.js";

const TINY_PX = 96; // smaller pictures are shown with hard pixels: blurred up, a scratch and a shadow look the same
const AGAIN_MS = 1_500;
const WHYS = {
  unsure: mark("the model was not sure"),
  disagreement: mark("another model says another grade"),
  audit: mark("drawn by lot"),
};
/** What `unsure` says already. */
const SAID_BY_UNSURE = ["low_confidence"];

/** `shown()` is called as soon as the photograph can be seen, or it is sure that there is none. */
export function openFruit(shown) {
  let now = null;

  async function show(grading) {
    const frame = at("photo");
    const ready = photographNow(grading.id);
    if (ready !== undefined) return place(grading, ready);
    frame.dataset.photo = "loading";
    frame.querySelector("img")?.remove(); // never the fruit before beside the buttons of this one
    try {
      const image = await photograph(grading.id);
      if (now?.id === grading.id) place(grading, image);
    } catch (problem) {
      if (!problem.words) throw problem;
      setTimeout(() => now?.id === grading.id && show(grading), AGAIN_MS);
    }
  }

  function place(grading, image) {
    const frame = at("photo");
    frame.querySelector("img")?.remove();
    if (image) {
      image.classList.toggle("tiny", image.naturalWidth <= TINY_PX && image.naturalHeight <= TINY_PX);
      label(image, "alt", "cucumber to look at");
      frame.prepend(image);
    }
    frame.dataset.photo = image ? "shown" : "none";
    frame.dataset.id = grading.id;
    shown();
  }

  return {
    /** This one from now on. */
    show(grading) {
      now = grading;
      draw(grading);
      show(grading);
    },
    /** In another language. */
    redraw: () => now && draw(now),
    now: () => now,
    clear: () => (now = null),
  };
}

function draw(grading) {
  const { grade, confidence, runner_up: second } = grading;
  const kind = kindOf(grade);
  const letters = at("said-grade");
  letters.dataset.kind = kind ?? "";
  letters.replaceChildren(
    ...(kind ? [sign(`kind-${kind}`)] : []),
    make("strong", {}, gradeWord(grade)),
    make("span", {}, kindWord(kind)),
    ...(confidence === null ? [] : [make("span", { class: "number" }, percent(confidence))]),
  );
  at("said-second").replaceChildren(
    second
      ? t("then {grade}, {share}", { grade: gradeWord(second.grade), share: percent(second.probability) })
      : t("no second choice"),
  );
  at("whys").replaceChildren(...reasons(grading).map((each) => make("li", { class: "chip" }, each)));
  at("facts").replaceChildren(
    ...facts(grading).flatMap(([name, value, named]) => [make("dt", {}, name), make("dd", named ? { translate: "no" } : {}, value)]),
  );
  at("to-why").href = whyPage(grading.id);
  at("to-all").href = gradingPage(grading.id);
}

function reasons({ why = [], reasons: codes, lane }) {
  const others = codes.filter((code) => !(why.includes("unsure") && SAID_BY_UNSURE.includes(code)));
  return [
    ...why.map((code) => (WHYS[code] ? t(WHYS[code]) : code)),
    ...others.map(reasonWord),
    ...(lane === "manual" ? [t("manual lane")] : []),
  ];
}

function facts({ measurement, line, lot, camera, received_at: received }) {
  const found = [];
  if (measurement) {
    const { length_mm: mm, length_px: px, bend_ratio: bend } = measurement;
    found.push([t("Length"), mm === null ? t("{px} px", { px: number(px) }) : t("{cm} cm", { cm: number(mm / 10, 1) })]);
    found.push([t("Bend"), t("{mm} mm on 10 cm", { mm: number(bend * 100) })]);
  }
  if (line) found.push([t("Line"), line, true]);
  if (lot) found.push([t("Lot"), lot, true]);
  if (camera) found.push([t("Camera"), camera, true]);
  return [...found, [t("Graded"), moment(received)]];
}
