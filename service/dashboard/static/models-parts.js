// What the parts of the page of models share: drawing again without losing what is open, chips, folded parts, trouble in place.

import { exactly } from "./dialog.js";
import { make, sign } from "./dom.js";
import { t } from "./i18n.js";

const root = document.documentElement.dataset.root;

/** Puts children into a place; what was folded open stays open, and what had the focus keeps it. Both carry `data-key`. */
export function redraw(place, children) {
  const keyed = (element) => element.dataset.key;
  const open = new Set([...place.querySelectorAll("details[open][data-key]")].map(keyed));
  const focused = place.contains(document.activeElement) ? document.activeElement.closest("[data-key]")?.dataset.key : null;
  place.replaceChildren(...[children].flat(2).filter(Boolean));
  for (const one of place.querySelectorAll("details[data-key]")) if (open.has(keyed(one))) one.open = true;
  const again = focused && place.querySelector(`[data-key="${CSS.escape(focused)}"]`);
  (again?.querySelector(":scope > summary") ?? again)?.focus();
}

/** What people, cameras or files are called: text as it is. */
export const named = (text, properties = {}) => make("span", { translate: "no", ...properties }, text);

/** The service's own words, more exact than any translation. */
export const english = (text) => make("p", { lang: "en" }, text);

export const folded = (key, summary, ...content) =>
  make("details", { "data-key": key }, make("summary", {}, summary), make("div", { class: "inside" }, content.flat(Infinity)));

/** `tone` is good, bad or nothing. */
export function chip(text, tone = null) {
  const signs = { good: "sign-good", bad: "sign-bad" };
  return make("span", { class: "chip", "data-tone": tone }, tone ? sign(signs[tone]) : null, text);
}

export const fact = (word, ...value) => [make("dt", {}, word), make("dd", {}, value)];

/** Why something failed, for a `.trouble`. */
export function saidOf(problem) {
  if (!problem.words) throw problem;
  return [problem.words(), ...exactly(problem)];
}

/** The way to a page of the service that is in English whatever this page's language is. */
export const report = (path, text) =>
  make("a", { class: "button", href: root + path, target: "_blank", rel: "noopener" }, text, make("span", { class: "hint" }, t("in English")));
