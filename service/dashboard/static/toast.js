// A short word on what has just happened, with the way back where there is one.

import { make } from "./dom.js";

const SHOWN_MS = 6_000;
let going = null;

/** toast(t("Saved")), toast(t("Corrected to L"), { action: t("Undo"), run }), toast(problem.words(), { bad: true }) */
export function toast(text, { action = null, run = null, bad = false } = {}) {
  const place = document.getElementById("toasts");
  clearTimeout(going);
  const close = () => place.replaceChildren();
  const button = action && make("button", { type: "button", onclick: () => (close(), run()) }, action);
  place.replaceChildren(make("p", { class: "toast", "data-bad": bad ? "yes" : "no" }, make("span", {}, text), button));
  going = setTimeout(close, bad || action ? 2 * SHOWN_MS : SHOWN_MS);
}
