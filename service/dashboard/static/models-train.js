// The form of a new retraining: which batches, the corrections, and what happens with a model that passes.

import { send } from "./api.js";
import { form } from "./dialog.js";
import { make } from "./dom.js";
import { percent, t } from "./i18n.js";
import { photographs } from "./models-batches.js";
import { folded, named } from "./models-parts.js";
import { toast } from "./toast.js";

const WAIT_MS = 60_000; // a process is started
const TO_GOLDEN = [0, 0.1, 0.2, 0.3];

/** Asks what to train with and starts it. `models` may be null. Resolves to the retraining, or null. */
export async function startTraining(batches, models) {
  const learned = learnedBatches(models);
  const boxes = batches.map((batch) => ({ batch, box: make("input", { type: "checkbox", checked: !learned.has(batch.id) }) }));
  const corrections = make("input", { type: "checkbox", checked: true });
  const promote = make("input", { type: "checkbox" });
  const found = await form({
    title: t("What should the next model learn from?"),
    fields: [
      make(
        "fieldset",
        {},
        make("legend", {}, t("Batches")),
        boxes.length ? boxes.map((one) => choice(one, learned)) : make("p", { class: "quiet" }, t("There is no batch on record.")),
      ),
      make(
        "fieldset",
        { class: "form-rows" },
        make("legend", {}, t("Corrections")),
        make("label", { class: "check" }, corrections, t("What people corrected on record")),
        make("label", { class: "field" }, t("Only from this day on (may stay empty)"), make("input", { type: "date", name: "since" })),
      ),
      make(
        "fieldset",
        {},
        make("legend", {}, t("When it passes the gate")),
        make("label", { class: "check" }, promote, t("Let it grade at once")),
        make("p", { class: "quiet" }, t("Without this it waits as the challenger until an admin promotes it.")),
      ),
      folded("more", t("More choices"), more()),
    ],
    yes: t("Start"),
    submit: (values) => {
      const chosen = boxes.filter(({ box }) => box.checked).map(({ batch }) => batch.id);
      const records = corrections.checked && (values.since ? { since: values.since } : true);
      if (!chosen.length && !records) throw { words: () => t("Choose a batch, the corrections, or both.") };
      const body = { batches: chosen, records, promote: promote.checked, require: values.require, to_golden: Number(values.to_golden) };
      return send("POST", "/v1/retrainings", body, { waitMs: WAIT_MS });
    },
  });
  if (found) toast(t("The retraining has started."));
  return found;
}

const choice = ({ batch, box }, learned) =>
  make(
    "label",
    { class: "check choice" },
    box,
    make("span", {}, named(batch.name), " ", make("span", { class: "quiet" }, photographs(batch), learned.has(batch.id) ? ` · ${t("learned already")}` : "")),
  );

function more() {
  return make(
    "div",
    { class: "form-rows" },
    make(
      "label",
      { class: "field" },
      t("It passes when it is"),
      make("select", { name: "require" }, make("option", { value: "better" }, t("shown to be better")), make("option", { value: "not_worse" }, t("no worse"))),
    ),
    make(
      "label",
      { class: "field" },
      t("Share of the new fruit for the golden set"),
      make("select", { name: "to_golden" }, TO_GOLDEN.map((share) => make("option", { value: share }, share ? percent(share) : t("none")))),
      make("span", { class: "hint" }, t("Models are judged on the golden set. Nothing in it is ever learned from.")),
    ),
  );
}

/** Ids of the batches that the champion learned from. */
const learnedBatches = (models) =>
  new Set((models?.details.champion?.card.data ?? []).flatMap((one) => one.batches.map((batch) => batch.id)));
