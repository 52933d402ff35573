// The last dozen. Cards are keyed by grading: one that stays is moved, never drawn or fetched again.

import { at, make as element } from "./dom.js";
import { gradingPage, kindOf } from "./fruit.js";
import { clock, percent, t } from "./i18n.js";
import { pacedPhotos, preparePhoto } from "./photo.js";

export function recentFruit() {
  const list = at("recent-list");
  const card = at("recent-card");
  const show = pacedPhotos(12);
  let toLoad = [];
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
    put("letters", grading.grade ?? "–");
    put("sure", grading.grade ? percent(grading.confidence) : "");
    if (second) {
      const share = percent(second.probability);
      const said = t("second choice {grade}, {share}", { grade: second.grade, share });
      item.querySelector(".second").append(...seenAndSaid(`${second.grade} ${share}`, said));
    }
    put("time", clock(grading.received_at));
    const all = item.querySelector(".all");
    all.href = gradingPage(grading.id);
    all.setAttribute("aria-label", t("All about this fruit: {grade}, {time}", { grade: grading.grade ?? t("no grade"), time: clock(grading.received_at) }));
    const photo = item.querySelector("img");
    preparePhoto(photo);
    item.querySelector(".no-photo use").setAttribute("href", `#kind-${item.dataset.kind === "none" ? "manual" : item.dataset.kind}`);
    toLoad.push([photo, grading]);
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
    // the newest last: where they have to wait, it is the first to be served
    for (const [photo, grading] of toLoad.reverse()) show(photo, grading);
    toLoad = [];
  };
}

/** Short for the eye, in full for a screen reader. */
function seenAndSaid(short, whole) {
  return [element("span", { "aria-hidden": "true" }, short), element("span", { class: "unseen" }, whole)];
}
