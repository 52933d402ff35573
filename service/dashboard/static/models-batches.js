// New labels: a zip is sent, what the intake found is said, and the batches on record are listed.

import { ask } from "./api.js";
import { at, make } from "./dom.js";
import { moment, number, percent, t, tn } from "./i18n.js";
import { folded, named, redraw, saidOf } from "./models-parts.js";
import { batchSaid, refusal } from "./models-report.js";
import { sendBatch } from "./models-upload.js";

const SHOWN = 20;

/** `changed` is called when there is another batch. */
export function batchesPart(changed) {
  const form = at("upload");
  const bar = at("upload-progress");
  let batches = null;
  let outcome = null; // { report } or { problem }
  let going = null;
  let share = 0;
  let rights = { operator: false };

  async function load() {
    try {
      ({ batches } = await ask(`/v1/batches?limit=${SHOWN}`));
      at("batches-trouble").replaceChildren();
    } catch (problem) {
      at("batches-trouble").replaceChildren(...saidOf(problem));
    }
    at("batches").setAttribute("aria-busy", "false");
    drawList();
    changed();
  }

  function draw() {
    drawProgress();
    drawOutcome();
    drawList();
  }

  function drawList() {
    if (batches) redraw(at("batches"), batches.length ? list() : none());
    else if (at("batches").getAttribute("aria-busy") === "false") at("batches").replaceChildren();
  }

  const list = () => [make("h3", {}, t("Sent so far")), make("ul", { class: "rows" }, batches.map(row))];

  function row(batch) {
    const count = tn(batch.rows, "{count} photograph", "{count} photographs");
    return make(
      "li",
      { class: "row" },
      make(
        "div",
        { class: "row-said" },
        make("h4", {}, named(batch.name)),
        make("p", { class: "quiet" }, moment(batch.at), " · ", count, " · ", named(batch.by)),
        folded(`batch ${batch.id}`, t("What came in"), batchSaid(batch)),
      ),
    );
  }

  function none() {
    const text = rights.operator ? t("No batch yet. Choose a zip above and send it.") : t("No batch yet. An operator or an admin can send one.");
    return make("p", { class: "quiet" }, text);
  }

  function drawProgress() {
    bar.hidden = !going;
    if (!going) return;
    const [progress, text] = bar.children;
    if (share < 1) progress.value = share;
    else progress.removeAttribute("value"); // how long reading takes is not known
    text.textContent = share < 1 ? t("{share} is sent", { share: percent(share) }) : t("All of it is sent. The photographs are being read…");
  }

  function drawOutcome() {
    if (!outcome) return at("upload-report").replaceChildren();
    const { report, problem } = outcome;
    if (problem) return redraw(at("upload-report"), make("div", { class: "trouble" }, refusal(problem)));
    const title = tn(report.rows, "{count} photograph was taken in.", "{count} photographs were taken in.");
    const next = make("p", { class: "quiet" }, t("A retraining can learn from them now."));
    const taken = [make("p", { class: "said" }, title), ...batchSaid({ ...report, id: "sent" }), next];
    redraw(at("upload-report"), make("div", { class: "taken" }, taken));
  }

  async function go() {
    const [file] = form.elements.file.files;
    [outcome, share] = [null, 0];
    going = sendBatch(file, form.elements.name.value.trim(), (now) => {
      share = now;
      drawProgress();
    });
    busy(true);
    draw();
    try {
      outcome = { report: await going.done };
      form.reset();
    } catch (problem) {
      if (problem && !problem.words) throw problem;
      outcome = problem && { problem }; // null: it was stopped
    } finally {
      going = null;
      busy(false);
      draw();
    }
    await load();
  }

  function busy(yes) {
    at("upload-go").disabled = yes;
    at("upload-stop").hidden = !yes;
    if (yes) addEventListener("beforeunload", stay);
    else removeEventListener("beforeunload", stay);
  }

  /** The browser asks before it leaves the page; on the way to the login the batch has been answered already. */
  function stay(event) {
    if (going?.running()) event.preventDefault();
  }

  form.addEventListener("submit", (event) => {
    event.preventDefault();
    if (!going) go();
  });
  form.elements.file.addEventListener("change", ({ target }) => {
    const name = form.elements.name;
    if (target.files.length && !name.value.trim()) name.value = target.files[0].name.replace(/\.zip$/i, "").slice(0, name.maxLength);
  });
  at("upload-stop").addEventListener("click", () => going?.stop());

  return {
    load,
    draw,
    known: () => batches ?? [],
    show(given) {
      rights = given;
      form.hidden = !rights.operator;
    },
  };
}

/** How many photographs a batch has, for a choice. */
export const photographs = (batch) => t("{count} photographs, {when}", { count: number(batch.rows), when: moment(batch.at) });
