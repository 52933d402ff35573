// Which fruit: the newest gradings as a strip of links. The address says which one is chosen, so that it can be shared and
// gone back to.

import { ask, inWords, photographOf } from "./explain-api.js";
import { words } from "./explain-words.js";

const NEWEST = 24;

const at = (id) => document.getElementById(id);

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
    list.querySelector("[aria-current]")?.scrollIntoView({ block: "nearest", inline: "nearest" });
    if (chosen) carry(chosen.id);
    onChoice(chosen);
  }

  function link(grading) {
    const item = at("choice").content.firstElementChild.cloneNode(true);
    const anchor = item.querySelector("a");
    anchor.href = `?grading=${encodeURIComponent(grading.id)}`;
    anchor.dataset.id = grading.id;
    item.querySelector("img").src = photographOf(grading.id);
    item.querySelector("img").alt = words.photoOf(grading.grade);
    item.querySelector("img").addEventListener("error", (event) => event.target.classList.add("gone"));
    item.querySelector(".letters").textContent = grading.grade ?? words.none;
    item.querySelector(".sure").textContent = grading.grade ? words.percent(grading.confidence) : words.noGrade;
    anchor.addEventListener("click", (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      history.pushState(null, "", anchor.href);
      choose(grading.id);
    });
    return item;
  }

  addEventListener("popstate", () => choose(asked()));
  try {
    gradings = (await ask(`/v1/gradings?limit=${NEWEST}`)).gradings;
    if (asked() && !gradings.some((grading) => grading.id === asked())) {
      gradings.unshift(await ask(`/v1/gradings/${encodeURIComponent(asked())}`));
    }
  } catch (error) {
    at("choices-trouble").textContent = inWords(error);
  }
  list.replaceChildren(...gradings.map(link));
  at("choices-none").hidden = gradings.length > 0 || at("choices-trouble").textContent !== "";
  choose(asked());
}

/** The identifier in the address, or null. */
export function asked() {
  return new URLSearchParams(location.search).get("grading");
}

/** The other pages open with the same fruit. */
function carry(id) {
  for (const link of document.querySelectorAll('.pages a[href*="/explain"]')) {
    link.search = `?grading=${encodeURIComponent(id)}`;
  }
}
