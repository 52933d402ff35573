// Answers on their way to the service. What could not be sent is kept and tried again, across a reload too, one after the other
// and in their order; what the service refused is kept as well, until a person has decided.

import { ask, Problem, query, send } from "./api.js";

const KEPT = "senka_review";
const UNDO_MOST = 10;
const RETRY_MS = [1_000, 2_000, 4_000];
const LATER = [401, 408, 425, 429]; // refused just now; the same may be taken in a moment

/**
 * `on.changed()` after every change; `on.sent()` when nothing is left to send.
 * Kept are `todo`: { what: "correct" | "undo", key, grading_id, grade, note, tries, correction }, `done`: the last answers,
 * newest first, { key, grading, grade, correction }, and `refused`: of `todo`, with the service's { status, code, detail }.
 */
export function openOutbox(on) {
  const kept = { todo: [], done: [], refused: [], ...restored() };
  const sentAt = new Map(); // grading id -> when its answer was on record
  let working = false;
  let problem = null;
  let failures = 0;
  let timer = null;

  function changed() {
    sessionStorage.setItem(KEPT, JSON.stringify(kept));
    on.changed();
  }

  async function work() {
    if (working) return;
    clearTimeout(timer);
    working = true;
    try {
      while (kept.todo.length) {
        const one = kept.todo[0];
        one.tries += 1;
        changed();
        try {
          await (one.what === "undo" ? takeBack(one) : hand(one));
          problem = null;
          failures = 0;
        } catch (failed) {
          if (!(failed instanceof Problem)) throw failed;
          if (failed.status < 400 || failed.status >= 500 || LATER.includes(failed.status)) {
            problem = failed;
            failures += 1;
            timer = setTimeout(work, RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
            changed();
            return;
          }
          const { status, code, detail } = failed;
          const moot = kept.todo.some((each) => each !== one && each.key === one.key); // undone meanwhile
          if (!moot) kept.refused.push({ ...one, status, code, detail });
          kept.todo = kept.todo.filter((each) => each === one || each.key !== one.key);
        }
        kept.todo.shift();
        changed();
      }
      on.sent();
    } finally {
      working = false;
    }
  }

  async function hand(one) {
    const { grading_id, grade, note } = one;
    // the try before may have arrived although its answer did not
    const made = (one.tries > 1 && (await onRecord(one))) || (await send("POST", "/v1/corrections", { grading_id, grade, note }));
    for (const each of [...kept.done, ...kept.todo]) if (each.key === one.key) each.correction = made.id;
    sentAt.set(grading_id, performance.now());
  }

  async function onRecord({ grading_id, grade, note }) {
    const { corrections } = await ask(`/v1/corrections${query({ grading_id, limit: 1 })}`);
    return corrections.find((each) => !each.undone_at && each.grade === grade && each.note === note);
  }

  async function takeBack({ correction, grading_id }) {
    await send("DELETE", `/v1/corrections/${encodeURIComponent(correction)}`);
    sentAt.delete(grading_id);
  }

  addEventListener("online", work);
  document.addEventListener("senka:link", (event) => event.detail === "open" && work());
  // closing the tab is the one way to lose them
  addEventListener("beforeunload", (event) => problem && kept.todo.length && problem.status !== 401 && event.preventDefault());

  return {
    work,
    kept,
    problem: () => problem,
    /** How many answers the service does not have yet. */
    waits: () => kept.todo.filter((each) => each.what === "correct").length,
    /** Whether this page has answered it, as far as what the service was asked at `sinceMs` could know. */
    answered: (id, sinceMs) =>
      [...kept.todo, ...kept.refused].some((each) => each.grading_id === id) || (sentAt.get(id) ?? -Infinity) >= sinceMs,
    /** Keeps an answer and sends it. */
    add(grading, grade, note) {
      const key = `${performance.timeOrigin + performance.now()}`;
      kept.todo.push({ what: "correct", key, grading_id: grading.id, grade, note, tries: 0 });
      kept.done = [{ key, grading, grade, note }, ...kept.done].slice(0, UNDO_MOST);
      changed();
      work();
    },
    /** Takes an answer back, sent or not; returns it. */
    undo(key) {
      const one = kept.done.find((each) => each.key === key);
      kept.done = kept.done.filter((each) => each !== one);
      const unsent = kept.todo.find((each) => each.key === key);
      const refused = kept.refused.some((each) => each.key === key);
      kept.refused = kept.refused.filter((each) => each.key !== key);
      if (unsent && !unsent.tries) kept.todo = kept.todo.filter((each) => each !== unsent);
      else if (!refused) {
        const { grading, grade, correction } = one;
        kept.todo.push({ what: "undo", key, grading_id: grading.id, grade, correction, tries: 0 });
      }
      changed();
      work();
      return one;
    },
    /** What was refused: once more, or given up. */
    again() {
      kept.todo.push(...kept.refused.splice(0).map((each) => ({ ...each, tries: 1 })));
      changed();
      work();
    },
    giveUp() {
      kept.refused.splice(0);
      changed();
    },
  };
}

function restored() {
  return JSON.parse(sessionStorage.getItem(KEPT) ?? "{}");
}
