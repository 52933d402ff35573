// Review: one fruit after another that somebody should look at. The next one is on this tablet already when an answer is tapped;
// the answer is sent behind it.

import { all } from "./api.js";
import { at, make } from "./dom.js";
import { number, onLanguage, t, tn } from "./i18n.js";
import { openAnswers } from "./review-answers.js";
import { answerWord, drawDone, drawOutbox } from "./review-done.js";
import { openFruit } from "./review-fruit.js";
import { openOutbox } from "./review-outbox.js";
import { photograph } from "./review-photos.js";
import { openQueue } from "./review-queue.js";
import { may, session } from "./session.js";
import { toast } from "./toast.js";

const SETTLED_MS = 600; // after the last answer was sent, the figures are asked for once more

const ASK_AGAIN_MS = 2_000;
const page = at("review");
const operator = await asOperator();
page.dataset.role = operator ? "operator" : "viewer";
at("answers").hidden = at("undo").hidden = at("note-fold").hidden = !operator;
at("looks-only").hidden = operator;

async function asOperator() {
  try {
    return await may("operator");
  } catch {
    // the service does not answer yet, as the strip above says
    await new Promise((resolve) => setTimeout(resolve, ASK_AGAIN_MS));
    return asOperator();
  }
}

let settling = null;
const outbox = openOutbox((await session()).name, {
  changed: drawAnswered,
  sent() {
    clearTimeout(settling);
    settling = setTimeout(() => queue.fill(), SETTLED_MS);
  },
});
const queue = openQueue(
  {
    changed: draw,
    waits: outbox.waits,
    answered: outbox.answered,
    taken: () => toast(t("Somebody else has this fruit now. Here is the next one.")),
  },
  { looksOnly: !operator },
);
const answers = openAnswers(save, { u: () => undo(outbox.kept().done[0]?.key), s: skip, "?": help });
const fruit = openFruit(() => {
  at("fruit").dataset.open = "yes";
  if (operator) answers.unlock();
});

function draw() {
  const [first, ...others] = queue.fruit();
  const problem = queue.problem();
  page.dataset.state = first ? "fruit" : problem || !queue.asked() ? "asking" : "nothing";
  at("trouble").replaceChildren(!first && problem ? problem.words() : "");
  at("show-all").hidden = !(at("line").value || at("why").value);
  drawCounts();
  if (!first) {
    fruit.clear();
    answers.lock();
  } else if (fruit.now()?.id !== first.id) {
    at("fruit").dataset.open = "no";
    at("note").value = "";
    at("note-fold").open = false;
    answers.show(first);
    fruit.show(first);
  }
  // a photograph that does not come now is asked for again when its turn comes
  for (const each of others.slice(0, 4)) photograph(each.id).catch((failed) => failed.words || Promise.reject(failed));
}

function drawCounts() {
  const counts = queue.counts();
  at("counts").hidden = !counts;
  if (!counts) return;
  at("waiting").textContent = tn(counts.waiting, "{count} fruit waits", "{count} fruit wait");
  at("done-today").textContent = t("{count} done today", { count: number(counts.done) });
  at("progress").max = Math.max(1, counts.waiting + counts.done);
  at("progress").value = counts.done;
}

function drawAnswered() {
  if (!operator) return;
  const kept = outbox.kept();
  drawDone(kept, undo);
  drawOutbox(kept, outbox.problem(), outbox);
}

function save(grade) {
  const grading = fruit.now();
  outbox.add(grading, grade, at("note").value.trim() || null);
  queue.next();
  draw();
  at("spoken").textContent = t("Saved: {answer}", { answer: answerWord({ grading, grade }) });
}

function undo(key) {
  if (!operator || !key) return;
  const one = outbox.undo(key);
  queue.bringBack(one.grading);
  draw();
  toast(t("Taken back: {answer}", { answer: answerWord(one) }));
}

function skip() {
  if (!queue.fruit().length) return;
  if (!queue.skip()) toast(t("There is no other fruit just now."));
  draw();
}

function help() {
  if (!at("help").open) at("help").showModal();
}

function filter() {
  const wanted = { line: at("line").value, why: at("why").value };
  const given = new URLSearchParams(Object.entries(wanted).filter(([, value]) => value));
  history.replaceState(null, "", given.size ? `?${given}` : location.pathname);
  queue.filter(wanted);
}

function showAll() {
  at("line").value = at("why").value = "";
  filter();
}

/** The lines there are, and what the address of this page asks for. */
async function fillFilters() {
  const asked = new URLSearchParams(location.search);
  const names = (await all("/v1/lines", "lines")).map((each) => each.name);
  const wanted = asked.get("line");
  // one that was deleted may still have fruit
  if (wanted && !names.includes(wanted)) names.push(wanted);
  at("line").append(...names.map((name) => make("option", { value: name, translate: "no" }, name)));
  at("line").value = wanted ?? "";
  at("why").value = asked.get("why") ?? "";
  if (at("why").selectedIndex < 0) at("why").value = "";
}

at("undo").addEventListener("click", () => undo(outbox.kept().done[0]?.key));
at("skip").addEventListener("click", skip);
at("help-open").addEventListener("click", help);
at("show-all").addEventListener("click", showAll);
for (const id of ["line", "why"]) at(id).addEventListener("change", filter);
onLanguage(() => {
  drawCounts();
  drawAnswered();
  fruit.redraw();
  answers.redraw();
});

drawAnswered();
await fillFilters().catch((problem) => at("trouble").replaceChildren(problem.words()));
queue.filter({ line: at("line").value, why: at("why").value });
if (operator) outbox.work();
