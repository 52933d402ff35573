// What was answered: the last ten, each with its way back, and the answers that the service does not have yet.

import { Problem } from "./api.js";
import { exactly } from "./dialog.js";
import { at, make, sign } from "./dom.js";
import { gradeWord, kindOf } from "./fruit.js";
import { t, tn } from "./i18n.js";
import { thumbnailOf } from "./review-photos.js";

const NOBODY = "local"; // what the service calls whoever sits at the grading computer

/** { grading, grade } -> "L → BL", or "L" where the model was right. */
export function answerWord({ grading, grade }) {
  if (grading.grade === grade) return gradeWord(grade);
  return t("{from} → {to}", { from: gradeWord(grading.grade), to: gradeWord(grade) });
}

/** The button for the last answer, and a row of the last ten. `undo(key)`. */
export function drawDone({ done }, undo) {
  const button = at("undo");
  button.disabled = !done.length;
  button.replaceChildren(
    sign("sign-undo"),
    done.length ? t("Undo: {answer}", { answer: answerWord(done[0]) }) : t("Undo"),
    make("kbd", { translate: "no" }, "U"),
  );
  at("done").hidden = !done.length;
  const list = at("done-list");
  const before = new Map([...list.children].map((each) => [each.dataset.key, each]));
  list.replaceChildren(...done.map((one) => before.get(one.key) ?? item(one, undo)));
  for (const [place, one] of done.entries()) {
    const element = list.children[place];
    element.querySelector(".answer-word").textContent = answerWord(one);
    element.querySelector("button").setAttribute("aria-label", t("Undo: {answer}", { answer: answerWord(one) }));
  }
}

function item({ key, grading, grade }, undo) {
  const image = make("img", { src: thumbnailOf(grading.id), alt: "", width: 64, height: 64 });
  const word = make("span", { class: "answer-word", "data-kind": kindOf(grade) ?? "" });
  const button = make("button", { type: "button", class: "button", onclick: () => undo(key) }, image, word, sign("sign-undo"));
  return make("li", { "data-key": key }, button);
}

/** Says what is on its way only when it takes long, was refused, or is somebody else's: nobody has to know of the rest. */
export function drawOutbox({ todo, refused, others }, problem, { again, giveUp }) {
  const place = at("outbox");
  const parts = [];
  if (problem && todo.length) {
    const count = make("strong", {}, tn(todo.length, "{count} answer not sent yet.", "{count} answers not sent yet."));
    parts.push(make("p", {}, count, " ", problem.words(), " ", t("It is kept here and tried again by itself.")));
  }
  if (refused.length) {
    const { status, code, detail } = refused[0].refused;
    const refusal = new Problem(status, code, detail);
    const count = make("strong", {}, tn(refused.length, "{count} answer was refused.", "{count} answers were refused."));
    parts.push(
      make("p", {}, count, " ", refusal.words()),
      make(
        "div",
        { class: "buttons" },
        make("button", { type: "button", class: "button", onclick: again }, t("Try again")),
        make("button", { type: "button", class: "button", onclick: giveUp }, t("Give up")),
        exactly(refusal),
      ),
    );
  }
  for (const [name, waits] of others) {
    parts.push(make("p", {}, othersWord(name, waits)));
  }
  place.hidden = !parts.length;
  place.replaceChildren(...parts);
}

function othersWord(name, waits) {
  if (name === NOBODY)
    return tn(
      waits,
      "{count} answer given without a login waits here. It is sent when nobody is logged in.",
      "{count} answers given without a login wait here. They are sent when nobody is logged in.",
    );
  return tn(
    waits,
    "{count} answer of {name} waits here until they log in again.",
    "{count} answers of {name} wait here until they log in again.",
    { name },
  );
}
