// Texts with figures or other texts in them. An element keeps how its text is composed, so that a change of the language says it
// again without asking the service for anything.

import { make } from "./dom.js";
import { language, nodes, onLanguage, say } from "./i18n.js";

const composed = new WeakMap(); // element -> Map of an attribute's name (null: the text) -> the function that composes it

/** Puts `compose()` on an element, now and in every later language; null empties it. `code` and **strong** become elements. */
export function tell(element, compose) {
  keep(element, null, compose ?? (() => ""));
}

/** As `tell`, for an attribute. */
export function tellAttribute(element, name, compose) {
  keep(element, name, compose);
}

function keep(element, name, compose) {
  const all = composed.get(element) ?? new Map();
  composed.set(element, all.set(name, compose));
  element.dataset.told = "";
  put(element, name, compose);
}

function put(element, name, compose) {
  if (name === null) element.replaceChildren(...nodes(compose()));
  else element.setAttribute(name, compose());
}

onLanguage(() => {
  for (const element of document.querySelectorAll("[data-told]")) composed.get(element)?.forEach((compose, name) => put(element, name, compose));
});

/** Says what went wrong, and folded away what the service said exactly; null takes it back. */
export function tellTrouble(element, problem) {
  element.replaceChildren();
  if (!problem) return;
  const words = make("span");
  element.append(words, ...exactly(problem.detail));
  tell(words, () => problem.words());
}

/** The service's own words, in English: more exact than any translation. */
export function exactly(detail) {
  if (!detail) return [];
  const summary = make("summary");
  say(summary, "Exactly");
  return [make("details", {}, summary, make("span", { lang: "en" }, detail))];
}

/** Sentences one after another; those that are empty are left out. */
export const sentences = (...all) => all.filter(Boolean).join(language() === "ja" ? "" : " ");

/** Short texts side by side. */
export const beside = (...all) => all.filter(Boolean).join(" · ");
