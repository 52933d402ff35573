// What the sections of the settings have in common: entries with their buttons, fields, and what is said when something fails.

import { send } from "./api.js";
import { confirm, form } from "./dialog.js";
import { make, sign } from "./dom.js";
import { nodes, percent, t } from "./i18n.js";
import { toast } from "./toast.js";

export const MOST = 10_000;

/** What a person or a camera named: never translated, never markup. */
export const named = (name, properties = {}) => make("span", { translate: "no", ...properties }, name);

/** addressOf("lines", "1") -> "/v1/lines/1" */
export const addressOf = (kind, name) => `/v1/${kind}/${encodeURIComponent(name)}`;

export const button = (word, run, kind = "") => make("button", { type: "button", class: `button ${kind}`.trim(), onclick: run }, word);

/** A control that keeps the focus when its section is drawn anew. */
export function keyed(control, key) {
  control.dataset.key = key;
  return control;
}

/** A text of the page with its `code` and **strong**. */
export const sentence = (text, properties = {}) => make("p", properties, nodes(text));

/** What a section is for, and the button that adds to it, where whoever looks may. */
export const head = (text, add = null) => make("div", { class: "section-head" }, sentence(text), add && keyed(add, "add"));

/**
 * One of a list: its name, chips, facts on one line, a note that somebody wrote, and what can be done about it. `key` tells it from
 * the others where its name does not.
 */
export function entry({ name, key = name, chips = [], facts = [], note = null, more = [], buttons = [], muted = false }) {
  for (const [place, each] of buttons.entries()) if (each) keyed(each, `${key} ${place}`);
  const told = facts.flat().filter(Boolean);
  return make(
    "li",
    { class: "entry", "data-muted": muted ? "yes" : "no" },
    make(
      "div",
      { class: "entry-text" },
      make("div", { class: "entry-head" }, make("h3", {}, typeof name === "string" ? named(name) : name), chips),
      told.length > 0 && make("p", { class: "entry-facts" }, told.map((fact) => make("span", {}, fact))),
      note && make("p", { class: "entry-note", translate: "no" }, note),
      more,
    ),
    buttons.filter(Boolean).length > 0 && make("div", { class: "buttons entry-buttons" }, buttons),
  );
}

export const entries = (rows) => make("ul", { class: "panel entries" }, rows);

/** What a section says while it has nothing, and what to do about it. */
export const nothing = (name, title, text, add = null) =>
  make("div", { class: "panel nothing" }, sign(name), make("h3", {}, title), sentence(text), add && keyed(add, "add"));

/** A labelled field; `hint` says what fits into it. */
export const field = (word, input, hint = null) => make("label", { class: "field" }, word, input, hint && make("span", { class: "hint" }, hint));

export const textField = (name, value = "", properties = {}) =>
  make("input", { name, value: value ?? "", maxlength: 100, autocomplete: "off", ...properties });

export const noteField = (note = "") =>
  field(t("Note (may stay empty)"), make("textarea", { name: "note", maxlength: 2000 }, note ?? ""));

/** A field for a name, with those that there are to choose from. */
export function nameFrom(name, value, names, properties = {}) {
  const id = `names-of-${name}`;
  const list = make("datalist", { id }, names.map((each) => make("option", { value: each })));
  return [textField(name, value, { list: id, ...properties }), list];
}

/** Choices as a select; `choices` are [value, word, whether somebody named it]. */
export const selectField = (name, choices, chosen, properties = {}) =>
  make(
    "select",
    { name, ...properties },
    choices.map(([value, word, given]) => make("option", { value, selected: value === chosen, translate: given ? "no" : null }, word)),
  );

/** Does `work`; what goes wrong is said, and `after` is called either way: the page shows what is so. */
export async function trying(work, after) {
  try {
    await work();
  } catch (problem) {
    if (!problem.words) throw problem;
    toast(problem.words(), { bad: true });
  }
  await after();
}

/** A form over the page; once it went through, `done` is said and `after` called. Resolves to what `submit` returned. */
export async function asking({ done, after, ...rest }) {
  const result = await form(rest);
  if (!result) return null;
  if (done) toast(done);
  await after(result);
  return result;
}

/** Asks, deletes, and says so. */
export async function deleting({ path, title, what, yes, done, after }) {
  if (!(await confirm({ title, what, yes, danger: true }))) return;
  await trying(async () => {
    await send("DELETE", path);
    toast(done);
  }, after);
}

/** A share as it was set: 0.625 -> "62.5 %", 0.004 -> "0.4 %", 0.5 -> "50 %". */
export function exactShare(share) {
  const digits = [0, 1, 2].find((each) => Number((share * 100).toFixed(each)) === Number((share * 100).toFixed(6)));
  return percent(share, digits ?? 3);
}

export const trimmed = (text) => text?.trim() || null;
