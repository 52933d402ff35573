// Which fruit: the newest gradings as a strip of links. The address says which one is chosen, so that it can be shared and
// gone back to.

import { at } from "./dom.js";
import { ask, problemOf } from "./explain-api.js";
import { tell, tellTrouble } from "./explain-say.js";
import { describe, NONE } from "./explain-words.js";
import { kindOf, photographOf } from "./fruit.js";
import { percent, t } from "./i18n.js";

const NEWEST = 24;

/** Shows the strip, and calls `onChoice(grading)` now and whenever another is chosen; null where there is none. */
export async function pickGrading(onChoice) {
  const list = at("choices");
  let gradings = [];

  function choose(id) {
    const chosen = gradings.find((grading) => grading.id === id) ?? gradings[0] ?? null;
    for (const link of list.querySelectorAll("a")) {
      if (link.dataset.id === chosen?.id) link.setAttribute("aria-current", "true");
      else link.removeAttribute("aria-current");
    }
    const marked = list.querySelector("[aria-current]");
    // along the strip alone: `scrollIntoView` would move the page too, past what stands above the strip
    if (marked) {
      const [card, strip] = [marked.getBoundingClientRect(), list.getBoundingClientRect()];
      list.scrollLeft += Math.max(0, card.right - strip.right) - Math.max(0, strip.left - card.left);
    }
    if (chosen) carry(chosen.id);
    onChoice(chosen);
  }

  function link(grading) {
    const item = at("choice").content.firstElementChild.cloneNode(true);
    const anchor = item.querySelector("a");
    anchor.href = `?grading=${encodeURIComponent(grading.id)}`;
    anchor.dataset.id = grading.id;
    anchor.dataset.kind = kindOf(grading.grade) ?? "";
    const image = item.querySelector("img");
    image.src = photographOf(grading.id);
    describe(image, grading);
    image.addEventListener("error", () => image.classList.add("gone"));
    item.querySelector(".letters").textContent = grading.grade ?? NONE;
    tell(item.querySelector(".sure"), () => (grading.grade ? percent(grading.confidence) : t("no grade")));
    anchor.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.pushState(null, "", anchor.href);
      choose(grading.id);
    });
    return item;
  }

  addEventListener("popstate", () => choose(asked()));
  let found = true;
  try {
    gradings = (await ask(`/v1/gradings?limit=${NEWEST}`)).gradings;
    if (asked() && !gradings.some((grading) => grading.id === asked())) {
      gradings.unshift(await ask(`/v1/gradings/${encodeURIComponent(asked())}`));
    }
  } catch (error) {
    found = false;
    tellTrouble(at("choices-trouble"), problemOf(error));
  }
  list.replaceChildren(...gradings.map(link));
  at("choices-none").hidden = gradings.length > 0 || !found;
  choose(asked());
}

/** The identifier in the address, or null. */
function asked() {
  return new URLSearchParams(location.search).get("grading");
}

/** The other pages open with the same fruit. */
function carry(id) {
  for (const link of document.querySelectorAll('.ways a[href*="/explain"]')) {
    link.search = `?grading=${encodeURIComponent(id)}`;
  }
}
