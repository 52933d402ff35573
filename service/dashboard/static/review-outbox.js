// Answers on their way to the service, and the last ones that are there. What could not be sent is kept on this device and sent
// later, by any page; what the service refused is kept as well, until a person has decided.

import { drop, entries, onOthers, put, waiting } from "./review-kept.js";
import { sendFor, sendingProblem, work } from "./review-send.js";

const DONE = "senka_review_done";
const UNDO_MOST = 10;

/**
 * For the answers of `name`. `on.changed()` after every change; `on.sent()` when nothing is left to send. Of what is `kept`, `done`
 * are the last answers of this tab, newest first: { key, grading, grade, note, correction }; `others` are [name, count] of the
 * answers that other people left here.
 */
export function openOutbox(name, on) {
  const sentAt = new Map(); // grading id -> when its answer was on record
  let done = restored(name);
  let known = new Set(); // grading ids of what was kept at the last change
  let leaving = false;

  const mine = () => entries().filter((each) => each.by === name);
  const refused = () => mine().filter((each) => each.refused);

  function changed() {
    const now = new Set(mine().map((each) => each.grading_id));
    for (const id of known) if (!now.has(id)) sentAt.set(id, performance.now());
    known = now;
    sessionStorage.setItem(DONE, JSON.stringify({ name, done }));
    on.changed();
  }

  sendFor(name, {
    changed,
    sent: on.sent,
    recorded({ key }, correction) {
      for (const each of done) if (each.key === key) each.correction = correction;
    },
    otherPerson() {
      leaving = true;
      location.reload();
    },
  });
  onOthers(changed);
  // the way to the login is no choice of a person's: nothing is asked there, by browsers that tell where they go
  globalThis.navigation?.addEventListener("navigate", ({ destination }) => {
    leaving = leaving || new URL(destination.url).pathname.endsWith("/login");
  });
  // they would be sent later, but nobody should wonder where they are
  addEventListener("beforeunload", (event) => {
    if (waiting(name).length && !leaving && sendingProblem()?.status !== 401) event.preventDefault();
  });

  return {
    work,
    kept: () => ({ todo: waiting(name), done, refused: refused(), others: countsOf(entries().filter((each) => each.by !== name)) }),
    problem: sendingProblem,
    /** How many answers the service does not have yet. */
    waits: () => waiting(name).filter((each) => each.what === "correct").length,
    /** Whether this page has answered it, as far as what the service was asked at `sinceMs` could know. */
    answered: (id, sinceMs) => mine().some((each) => each.grading_id === id) || (sentAt.get(id) ?? -Infinity) >= sinceMs,
    /** Keeps an answer and sends it. */
    add(grading, grade, note) {
      const key = `${performance.timeOrigin + performance.now()}`;
      put({ by: name, what: "correct", key, grading_id: grading.id, grade, note, tries: 0 });
      done = [{ key, grading, grade, note }, ...done].slice(0, UNDO_MOST);
      changed();
      work();
    },
    /** Takes an answer back, sent or not; returns it. */
    undo(key) {
      const one = done.find((each) => each.key === key);
      done = done.filter((each) => each !== one);
      const kept = mine().find((each) => each.key === key);
      if (kept && (kept.refused || !kept.tries)) drop(kept);
      else {
        const { grading, grade, note, correction } = one;
        put({ by: name, what: "undo", key, grading_id: grading.id, grade, note, correction, tries: 0 });
      }
      changed();
      work();
      return one;
    },
    /** What was refused: once more, or given up. */
    again() {
      for (const each of refused()) put({ ...each, refused: undefined, tries: 1 });
      changed();
      work();
    },
    giveUp() {
      refused().forEach(drop);
      changed();
    },
  };
}

function restored(name) {
  const before = JSON.parse(sessionStorage.getItem(DONE) ?? "null");
  return before?.name === name ? before.done : [];
}

function countsOf(others) {
  const counts = new Map();
  for (const { by } of others) counts.set(by, (counts.get(by) ?? 0) + 1);
  return [...counts];
}
