// Choices as large buttons, for hands in gloves: lots, and growers with room for a new one.

import { make } from "./dom.js";
import { t } from "./i18n.js";

/** What a person or a camera named: never translated, never markup. */
export const named = (name, properties = {}) => make("span", { translate: "no", ...properties }, name);

/** A lot as two lines: its name, and its grower or what else is worth knowing of it. */
export function lotLines(lot, beside = null) {
  return [
    named(lot.name, { class: "pick-name" }),
    lot.grower || beside ? make("span", { class: "pick-more" }, lot.grower && named(lot.grower), lot.grower && beside && " · ", beside) : null,
  ];
}

/** Choices of which one is taken: radio buttons that are as large as their label. `choices` are [value, content]. */
export function pickOne(name, legend, choices, chosen = null) {
  return make(
    "fieldset",
    { class: "picks" },
    make("legend", {}, legend),
    make(
      "div",
      { class: "pick-grid" },
      choices.map(([value, content]) =>
        make(
          "label",
          { class: "pick" },
          make("input", { type: "radio", name, value, checked: value === chosen }),
          make("span", { class: "pick-text" }, content),
        ),
      ),
    ),
  );
}

/** The growers, none, and a field for a new one: `grower` and `new_grower` among the form's values; see `growerOf`. */
export function growerFields(growers, chosen) {
  const names = growers.map((one) => one.name);
  const known = pickOne("grower", t("Grower"), [...names.map((name) => [name, named(name)]), ["", t("no grower")]], chosen ?? "");
  const fresh = make("input", { name: "new_grower", maxlength: 100, autocomplete: "off" });
  fresh.addEventListener("input", () => {
    if (fresh.value.trim()) for (const radio of known.querySelectorAll("input")) radio.checked = false;
  });
  known.addEventListener("change", () => (fresh.value = ""));
  return [known, make("label", { class: "field" }, t("Or a new grower"), fresh)];
}

/** The grower that the form's values name; null for none. */
export const growerOf = (values) => values.new_grower?.trim() || values.grower || null;

/** A note of several lines. */
export const noteField = (note = "") =>
  make("label", { class: "field" }, t("Note (may stay empty)"), make("textarea", { name: "note", maxlength: 2000 }, note ?? ""));

/** "2026-11-29", lots -> "2026-11-29-C" where A and B are taken. */
export function nextName(date, lots) {
  const taken = new Set(lots.map((lot) => lot.name));
  for (const letter of "ABCDEFGHIJKLMNOPQRSTUVWXYZ") if (!taken.has(`${date}-${letter}`)) return `${date}-${letter}`;
  return `${date}-${1 + taken.size}`;
}

/** Newest first. */
export const newestFirst = (lots) => [...lots].sort((one, other) => Date.parse(other.created_at) - Date.parse(one.created_at));
