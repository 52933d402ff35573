// Questions before something that is not easily undone, and forms over the page. The browser's own dialog: focus stays inside,
// Escape closes it.

import { make } from "./dom.js";
import { nodes, t } from "./i18n.js";
import { toast } from "./toast.js";

let last = 0;

/**
 * Asks, and resolves to whether the answer was yes. `what` says in a sentence or several what will happen.
 * confirm({ title: t("Promote version 4?"), what: [t("...")], yes: t("Promote") })
 */
export function confirm({ title, what = [], yes, danger = false }) {
  return new Promise((resolve) => {
    const id = `dialog-${(last += 1)}`;
    const dialog = make(
      "dialog",
      { class: "dialog", "aria-labelledby": id },
      make("h2", { id }, title),
      what.map((sentence) => make("p", {}, nodes(sentence))),
      make(
        "div",
        { class: "buttons end" },
        make("button", { type: "button", class: "button", onclick: () => dialog.close("") }, t("Cancel")),
        make("button", { type: "button", class: danger ? "button danger" : "button main", onclick: () => dialog.close("yes") }, yes),
      ),
    );
    open(dialog, () => resolve(dialog.returnValue === "yes"));
  });
}

/**
 * A form over the page. `fields` are elements, their inputs named; `submit(values)` may throw a Problem, which is shown and leaves
 * the form open with all that was typed. While `submit` is under way it cannot be closed. Resolves to what `submit` returned, or
 * null when it was closed.
 */
export function form({ title, fields, yes, submit }) {
  return new Promise((resolve) => {
    const id = `dialog-${(last += 1)}`;
    const trouble = make("p", { class: "trouble", role: "alert" });
    const go = make("button", { class: "button main" }, yes);
    const cancel = make("button", { type: "button", class: "button", onclick: () => dialog.close() }, t("Cancel"));
    let result = null;
    let underway = null;
    const body = make(
      "form",
      { class: "form-rows", method: "dialog", "aria-labelledby": id },
      make("h2", { id }, title),
      fields,
      trouble,
      make("div", { class: "buttons end" }, cancel, go),
    );
    const dialog = make("dialog", { class: "dialog", "aria-labelledby": id }, body);
    async function sending() {
      go.disabled = cancel.disabled = true;
      trouble.replaceChildren();
      try {
        result = (await submit(Object.fromEntries(new FormData(body)))) ?? true;
        dialog.close();
      } catch (problem) {
        const words = problem.words?.() ?? String(problem);
        if (dialog.open) trouble.replaceChildren(words, ...exactly(problem));
        else toast(words, { bad: true });
      } finally {
        go.disabled = cancel.disabled = false;
      }
    }
    body.addEventListener("submit", (event) => {
      event.preventDefault();
      // what is refused at once has ended before it was noted as under way, so the note goes afterwards
      underway ??= sending().finally(() => {
        underway = null;
      });
    });
    dialog.addEventListener("cancel", (event) => underway && event.preventDefault());
    // a browser lets a second Escape through all the same: what was made is not lost then
    open(dialog, async () => {
      await underway;
      resolve(result);
    });
  });
}

/** What the service said exactly, folded away: in English, and more precise than any translation. */
export function exactly(problem) {
  return problem.detail ? [make("details", {}, make("summary", {}, t("Exactly")), make("span", { lang: "en" }, problem.detail))] : [];
}

function open(dialog, closed) {
  const before = document.activeElement;
  document.body.append(dialog);
  dialog.addEventListener("close", () => {
    dialog.remove();
    before?.focus?.();
    closed();
  });
  dialog.showModal();
}
