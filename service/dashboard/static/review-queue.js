// The few fruit that this page holds: claimed from the service so that nobody else is shown them, renewed while the page is
// open, given back when it closes. The first of them is the one that is looked at.

import { ask, Problem, query, send } from "./api.js";
import { csrfHeaders } from "./session.js";

const root = document.documentElement.dataset.root;
const HELD = 3; // the one that is shown, and those whose photographs are fetched ahead
const CLAIMS_MOST = 20; // more the service gives nobody
const ASIDE_MOST = 12;
const RENEW_MS = 20_000; // a claim lasts a minute
const NOTHING_MS = 5_000;
const RETRY_MS = 2_000;

/**
 * `on.changed()` after every change; `on.taken()` when the fruit that was shown is somebody else's now; `on.waits()` -> how many
 * answers are on their way, `on.answered(id, sinceMs)` -> whether this page has answered it already, as far as an answer of the
 * service asked for at `sinceMs` can know. `looksOnly` claims nothing.
 */
export function openQueue(on, { looksOnly }) {
  const drawn = crypto.getRandomValues(new Uint8Array(16)); // randomUUID is there with https only
  const reviewer = [...drawn].map((each) => each.toString(16).padStart(2, "0")).join("");
  const aside = new Map(); // skipped: id -> grading, the longest first
  const mine = new Set(); // brought back by an undo: shown all the same, and claimed again once the undo is on record
  let fruit = [];
  let filters = {};
  let counts = null;
  let problem = null;
  let asked = false;
  let asking = null;
  let timer = null;

  const request = () =>
    looksOnly
      ? ask(`/v1/review${query({ limit: CLAIMS_MOST, ...filters })}`)
      : send("POST", "/v1/review/claims", {
          reviewer,
          limit: Math.min(CLAIMS_MOST, HELD + aside.size + mine.size + on.waits()),
          back: [...mine].slice(-CLAIMS_MOST),
          ...Object.fromEntries(Object.entries(filters).filter(([, value]) => value)),
        });

  /** Renews what is held and adds to it. One request at a time; what is wanted meanwhile is asked for right after it. */
  function fill() {
    clearTimeout(timer);
    if (asking) {
      asking.again = true;
      return;
    }
    const own = { again: false, filters, sinceMs: performance.now(), waits: on.waits() };
    asking = own;
    request()
      .then((found) => {
        problem = null;
        if (own.filters === filters) take(found, own);
      })
      .catch((failed) => {
        if (!(failed instanceof Problem)) throw failed;
        problem = failed;
      })
      .finally(() => {
        asking = null;
        if (own.again || own.filters !== filters) fill();
        else if (!document.hidden) timer = setTimeout(fill, problem ? RETRY_MS : fruit.length ? RENEW_MS : NOTHING_MS);
        on.changed();
      });
  }

  function take(found, own) {
    asked = !own.again;
    // an answer that arrived while this was asked for may be counted already: rather one too few for a moment than one too many
    const waits = Math.min(own.waits, on.waits());
    if (!looksOnly) counts = { waiting: Math.max(0, found.waiting - own.waits), done: found.done_today + waits };
    const free = new Map(found.gradings.filter((each) => !on.answered(each.id, own.sinceMs)).map((each) => [each.id, each]));
    for (const id of aside.keys()) if (!free.has(id)) aside.delete(id);
    const before = fruit[0];
    const kept = fruit.filter((each) => mine.has(each.id) || free.has(each.id));
    const known = new Set([...kept.map((each) => each.id), ...aside.keys()]);
    fruit = [...kept, ...[...free.values()].filter((each) => !known.has(each.id))];
    if (!fruit.length) lookAgain();
    if (before && !fruit.includes(before)) on.taken();
  }

  /** Nothing else is left: what was skipped comes back. */
  function lookAgain() {
    fruit = [...aside.values()];
    aside.clear();
  }

  document.addEventListener("visibilitychange", () => (document.hidden ? clearTimeout(timer) : fill()));
  addEventListener("pageshow", (event) => event.persisted && fill());
  addEventListener("pagehide", () => {
    if (looksOnly) return;
    const given = fetch(`${root}/v1/review/claims/${reviewer}`, { method: "DELETE", headers: csrfHeaders(), keepalive: true });
    given.catch(() => {}); // what is not given back runs out by itself
  });

  return {
    fill,
    /** The fruit to look at now, and those after it. */
    fruit: () => fruit,
    counts: () => counts,
    problem: () => problem,
    asked: () => asked,
    /** Other fruit from now on: { line, why }. What was brought back by an undo stays. */
    filter(wanted) {
      filters = wanted;
      asked = false;
      fruit = fruit.filter((each) => mine.has(each.id));
      aside.clear();
      fill();
      on.changed();
    },
    /** The one that is shown is done. */
    next() {
      mine.delete(fruit.shift()?.id);
      if (counts) counts = { waiting: Math.max(0, counts.waiting - 1), done: counts.done + 1 };
      if (!fruit.length) lookAgain();
      asked = fruit.length > 0;
      fill();
    },
    /** Puts the one that is shown aside. False where there is no other. */
    skip() {
      const [first, ...others] = fruit;
      if (looksOnly || mine.has(first.id)) fruit = [...others, first];
      else {
        fruit = others;
        aside.set(first.id, first);
      }
      if (aside.size > ASIDE_MOST) {
        const [oldest] = aside.values();
        aside.delete(oldest.id);
        fruit.push(oldest);
      }
      if (!fruit.length) lookAgain();
      if (!looksOnly) fill();
      return fruit[0] !== first;
    },
    /** Shows this one, whose answer was taken back. */
    bringBack(grading) {
      mine.add(grading.id);
      fruit = [grading, ...fruit.filter((each) => each.id !== grading.id)];
      if (counts) counts = { waiting: counts.waiting + 1, done: Math.max(0, counts.done - 1) };
    },
  };
}
