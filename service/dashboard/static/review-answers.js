// The buttons of an answer, and their keys. The model's own grade is saved by one tap. Any other is marked by the first tap and
// saved by a second one, on itself or on the large button, which proposes the second choice until something is marked.

import { at, make } from "./dom.js";
import { GRADES, gradeWord, kindOf, NOT_A_CUCUMBER } from "./fruit.js";
import { nodes, percent, t } from "./i18n.js";

const BOUNCE_MS = 250; // a finger in a glove taps twice without meaning to

/** `save(grade)` is called with the answer; `more` has what other keys do: { u: undo, s: skip, "?": help }. */
export function openAnswers(save, more) {
  const buttons = [...document.querySelectorAll("#grades [data-answer]")];
  let grading = null;
  let open = false;
  let marked = null;
  let lastMs = -Infinity;

  const second = () => grading?.runner_up?.grade ?? null;

  function draw() {
    if (!grading) return;
    const { grade } = grading;
    write(at("right"), grade, t("Right: **{grade}**", { grade: gradeWord(grade) }), t("as the model says"), marked ? null : "Enter");
    const large = marked ?? second();
    at("second").hidden = large === null;
    if (marked) write(at("second"), marked, t("Save: **{grade}**", { grade: gradeWord(marked) }), change(), "Enter");
    else if (large) write(at("second"), large, t("It is **{grade}**", { grade: gradeWord(large) }), chance(), keyOf(large));
    at("second").dataset.marked = marked ? "yes" : "no";
    at("right").dataset.marked = marked ? "other" : "no";
    for (const each of buttons) each.setAttribute("aria-pressed", String(each.dataset.answer === marked));
  }

  const change = () =>
    marked === grading.grade ? t("as the model says") : t("{from} → {to}", { from: gradeWord(grading.grade), to: gradeWord(marked) });
  const chance = () => t("second choice, {share}", { share: percent(grading.runner_up.probability) });

  /** A key that is held down repeats, which the browser tells; a finger that bounces is known by its haste alone. */
  function tapped(act) {
    const now = performance.now();
    if (now - lastMs < BOUNCE_MS) return;
    lastMs = now;
    act();
  }

  function choose(grade) {
    if (!open) return;
    if (marked === grade) return finish(grade);
    marked = grade;
    draw();
    at("spoken").textContent = t("Marked: {grade}. The same again saves it.", { grade: gradeWord(grade) });
  }

  function finish(grade) {
    if (!open) return;
    open = false;
    save(grade);
    // Enter is "right" for the next one too, whichever button this one was answered with
    if (document.activeElement?.closest("#answers")) document.activeElement.blur();
  }

  at("right").addEventListener("click", () => tapped(() => finish(grading.grade)));
  at("second").addEventListener("click", () => tapped(() => choose(marked ?? second())));
  for (const each of buttons) each.addEventListener("click", () => tapped(() => choose(each.dataset.answer)));

  addEventListener("keydown", (event) => {
    const { key, target } = event;
    // held down on a button, it would press it many times a second
    if (event.repeat && key === "Enter" && target.closest?.("#review button")) event.preventDefault();
    const typing = target.closest?.("input, select, textarea, dialog");
    if (event.repeat || event.ctrlKey || event.metaKey || event.altKey || typing || document.querySelector("dialog[open]")) return;
    // Enter on a button or a link that was reached by Tab is that button's own
    if (key === "Enter" && target.closest?.("button, a, summary")) return;
    const act =
      key === "Enter" ? () => finish(marked ?? grading?.grade)
      : key === "Escape" ? () => ((marked = null), draw())
      : /^[1-9]$/.test(key) ? () => choose(GRADES[key - 1])
      : key === "n" || key === "N" ? () => choose(NOT_A_CUCUMBER)
      : more[key.toLowerCase()];
    if (!act) return;
    event.preventDefault();
    act();
  });

  return {
    /** Answers are for this one from now on, as soon as `unlock` is called. */
    show(other) {
      grading = other;
      open = false;
      marked = null;
      draw();
    },
    unlock: () => (open = grading !== null),
    lock: () => (open = false),
    redraw: draw,
  };
}

const keyOf = (grade) => (grade === NOT_A_CUCUMBER ? "N" : String(GRADES.indexOf(grade) + 1));

function write(button, grade, text, under, key) {
  button.dataset.kind = kindOf(grade) ?? "";
  button.replaceChildren(
    ...(key ? [make("kbd", { translate: "no" }, key)] : []),
    make("span", { class: "big-words" }, ...nodes(text)),
    make("small", {}, under),
  );
}
