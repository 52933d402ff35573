// The last dozen. Cards are keyed by grading: one that stays is moved, never drawn or fetched again.

import { kindOf, whyPage } from "./fruit.js";
import { preparePhoto, showPhoto } from "./photo.js";
import { clock, words } from "./words.js";

export function recentFruit(root) {
  const list = document.getElementById("recent-list");
  const card = document.getElementById("recent-card");
  const shown = new Map(); // grading id -> card on the page

  function make(grading) {
    const item = card.content.firstElementChild.cloneNode(true);
    const put = (name, text) => {
      item.querySelector(`.${name}`).textContent = text;
    };
    const second = grading.runner_up;
    item.dataset.id = grading.id;
    item.dataset.kind = kindOf(grading.grade) ?? "none";
    item.dataset.lane = grading.lane === "manual" ? "manual" : "grade";
    put("letters", grading.grade ?? words.none);
    put("sure", grading.grade ? words.percent(grading.confidence) : "");
    put("second", second ? words.secondShort(second.grade, second.probability) : "");
    put("time", clock(Date.parse(grading.received_at)));
    if (second) item.querySelector(".second").setAttribute("aria-label", words.secondChoice(second.grade, second.probability));
    const ask = item.querySelector(".ask");
    ask.href = whyPage(grading, root);
    ask.hidden = !grading.grade;
    ask.setAttribute("aria-label", words.why(grading.grade));
    const photo = item.querySelector("img");
    preparePhoto(photo);
    showPhoto(photo, grading, root);
    return item;
  }

  return (gradings) => {
    const wanted = new Set(gradings.map((grading) => grading.id));
    for (const [id, item] of shown) {
      if (wanted.has(id)) continue;
      item.remove();
      shown.delete(id);
    }
    gradings.forEach((grading, place) => {
      if (!shown.has(grading.id)) shown.set(grading.id, make(grading));
      const item = shown.get(grading.id);
      if (list.children[place] !== item) list.insertBefore(item, list.children[place] ?? null);
    });
  };
}
