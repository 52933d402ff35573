// Sends the answers that are kept on this device: one after the other, in their order, again and again until the service has
// each or has refused it; only those of whoever is logged in. Any page can do it: `sendRest()`.

import { ask, Problem, query, send } from "./api.js";
import { drop, entries, letOthersSend, mayISend, put, waiting } from "./review-kept.js";
import { csrfHeaders } from "./session.js";

const root = document.documentElement.dataset.root;
const RETRY_MS = [1_000, 2_000, 4_000];
const LEFT_MS = 2_000; // what a page sent as it closed is on record by then, or never arrived
const LATER = [401, 408, 425, 429]; // refused just now; the same may be taken in a moment

let me = null; // { name, token } of whoever this page sends for
let on = { changed() {}, sent() {}, recorded() {}, otherPerson() {} };
let working = false;
let problem = null;
let failures = 0;
let timer = null;

const tokenNow = () => csrfHeaders()["X-CSRF-Token"] ?? null;

/** Sends for this person and tells what becomes of it: { changed(), sent(), recorded(entry, correction), otherPerson() }. */
export function sendFor(name, hooks) {
  me = { name, token: tokenNow() };
  on = hooks;
}

/** Why the last try failed; null where it did not. */
export const sendingProblem = () => problem;

/** For every page, at any time: sends what whoever looks at it has left unsent, if anything. */
export async function sendRest() {
  if (entries().length) await work();
}

/** Whoever is logged in now: somebody else may have logged in in another tab. */
async function whose() {
  const token = tokenNow();
  if (me?.token !== token || !me) {
    const { name } = await ask("/v1/session");
    if (me && me.name !== name) on.otherPerson();
    me = { name, token };
  }
  return me.name;
}

export async function work() {
  if (working) return;
  clearTimeout(timer);
  working = true;
  try {
    let one;
    while ((one = waiting(await whose())[0])) {
      if (!mayISend()) {
        timer = setTimeout(work, RETRY_MS[0]);
        return;
      }
      await attempt(one);
      problem = null;
      failures = 0;
      on.changed();
    }
    letOthersSend();
    on.sent();
  } catch (failed) {
    if (!(failed instanceof Problem)) throw failed;
    problem = failed;
    failures += 1;
    timer = setTimeout(work, RETRY_MS[Math.min(failures, RETRY_MS.length) - 1]);
    on.changed();
  } finally {
    working = false;
  }
}

async function attempt(one) {
  one.tries += 1;
  put(one);
  on.changed();
  try {
    await (one.what === "undo" ? takeBack(one) : hand(one));
  } catch (failed) {
    if (!(failed instanceof Problem) || failed.status < 400 || failed.status >= 500 || LATER.includes(failed.status)) throw failed;
    const { status, code, detail } = failed;
    const undone = entries().filter((each) => each.key === one.key && each.seq !== one.seq); // meanwhile
    if (!undone.length) return put({ ...one, refused: { status, code, detail } });
    undone.forEach(drop);
  }
  drop(one);
}

async function hand(one) {
  const { grading_id, grade, note } = one;
  // the try before may have arrived although its answer did not
  const made = (one.tries > 1 && (await onRecord(one))) || (await send("POST", "/v1/corrections", { grading_id, grade, note }));
  for (const each of entries()) if (each.key === one.key && each.seq !== one.seq) put({ ...each, correction: made.id });
  on.recorded(one, made.id);
}

async function onRecord({ grading_id, grade, note }) {
  const { corrections } = await ask(`/v1/corrections${query({ grading_id, limit: 1 })}`);
  return corrections.find((each) => !each.undone_at && each.grade === grade && each.note === note);
}

async function takeBack(one) {
  const id = one.correction ?? (await onRecord(one))?.id; // another tab may have sent it
  if (id) await send("DELETE", `/v1/corrections/${encodeURIComponent(id)}`);
}

/** A page that closes sends what it has not tried yet, without waiting for an answer; the next page looks what arrived. */
function sendAndLeave() {
  clearTimeout(timer);
  if (!me || me.token !== tokenNow()) return;
  const todo = waiting(me.name);
  if (!todo.length) return letOthersSend();
  if (!mayISend(LEFT_MS)) return;
  for (const one of todo) {
    if (one.tries || one.what !== "correct" || todo.some((each) => each !== one && each.grading_id === one.grading_id)) continue;
    put({ ...one, tries: 1 });
    const { grading_id, grade, note } = one;
    fetch(`${root}/v1/corrections`, {
      method: "POST",
      headers: { ...csrfHeaders(), "Content-Type": "application/json" },
      body: JSON.stringify({ grading_id, grade, note }),
      keepalive: true,
    }).catch(() => {}); // it is still kept here
  }
}

addEventListener("pagehide", sendAndLeave);
addEventListener("pageshow", (event) => event.persisted && sendRest());
addEventListener("online", sendRest);
document.addEventListener("senka:link", (event) => event.detail === "open" && sendRest());
