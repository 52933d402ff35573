// What people said that a fruit really was: the history with its undo, and the dialog for another word.

import { ask, query, send } from "./api.js";
import { form } from "./dialog.js";
import { make, sign } from "./dom.js";
import { GRADES, gradeWord, kindOf, NOT_A_CUCUMBER } from "./fruit.js";
import { clock, day, t } from "./i18n.js";
import { toast } from "./toast.js";

const MOST = 200;

/** The corrections of a grading, newest first, those that were undone among them; the latest MOST of them. */
export async function correctionsOf(id) {
  return (await ask(`/v1/corrections${query({ grading_id: id, limit: MOST })}`)).corrections;
}

/** The history; `undo(correction)` for whoever may. */
export function history(corrections, undo) {
  if (!corrections.length) return [make("p", { class: "quiet" }, t("Nobody has corrected it."))];
  const at = (moment) => `${day(moment)} ${clock(moment, false)}`;
  return [
    make(
      "ol",
      { class: "history" },
      corrections.map((each) =>
        make(
          "li",
          { "data-undone": each.undone_at ? "yes" : "no" },
          make("strong", { class: "letters", "data-kind": kindOf(each.grade) ?? "none" }, gradeWord(each.grade)),
          make(
            "div",
            {},
            make("p", {}, make("span", { translate: "no" }, each.by), " ", make("span", { class: "quiet number" }, at(each.at))),
            each.note && make("p", { class: "note", translate: "no" }, each.note),
            each.undone_at && make("p", {}, t("Undone:"), " ", make("span", { translate: "no" }, each.undone_by), " ", make("span", { class: "quiet number" }, at(each.undone_at))),
          ),
          undo && !each.undone_at && make("button", { type: "button", class: "button", onclick: () => undo(each) }, sign("sign-undo"), t("Undo")),
        ),
      ),
    ),
  ];
}

/** Asks what the fruit really is; resolves to the correction that was made, or null. */
export function askCorrection(grading) {
  const choice = (grade) =>
    make(
      "label",
      { class: "choice", "data-kind": kindOf(grade) ?? "none" },
      make("input", { type: "radio", name: "grade", value: grade, required: true }),
      kindOf(grade) && sign(`kind-${kindOf(grade)}`),
      make("span", {}, gradeWord(grade)),
    );
  return form({
    title: t("What is it really?"),
    fields: [
      make("fieldset", {}, make("legend", { class: "unseen" }, t("Grade")), make("div", { class: "choices" }, [...GRADES, NOT_A_CUCUMBER].map(choice))),
      make("label", { class: "field" }, t("Note (may stay empty)"), " ", make("textarea", { name: "note", maxlength: "2000", rows: "2" })),
    ],
    yes: t("Correct"),
    submit: ({ grade, note }) => send("POST", "/v1/corrections", { grading_id: grading.id, grade, ...(note.trim() && { note: note.trim() }) }),
  });
}

/** Takes a correction back, and says so. */
export async function takeBack(correction) {
  await send("DELETE", `/v1/corrections/${encodeURIComponent(correction.id)}`);
  toast(t("Undone: {grade}", { grade: gradeWord(correction.grade) }));
}
