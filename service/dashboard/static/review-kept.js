// The answers that wait on this device until the service has them, each with whose it is. Every answer is an entry of its own in
// the browser's storage, so that tabs beside each other add and take away without overwriting; one page at a time sends.

const ENTRY = "senka_review/";
const SENDER = "senka_review_sender";
const SENDING_MS = 15_000; // longer than one request may take
const page = `${Date.now()} ${Math.random()}`;
let last = 0;

/**
 * All of them in their order: { seq, by, what: "correct" | "undo", key, grading_id, grade, note, tries, correction, refused }.
 * `key` is one answer and its undo; `refused` is the service's { status, code, detail } where it did not take it.
 */
export function entries() {
  const names = Object.keys(localStorage).filter((name) => name.startsWith(ENTRY));
  return names.map((name) => JSON.parse(localStorage.getItem(name))).sort((one, other) => one.seq - other.seq);
}

export const waiting = (name) => entries().filter((each) => each.by === name && !each.refused);

/** Keeps an entry, or what has changed of it; a new one comes last. */
export function put(entry) {
  if (!entry.seq) entry.seq = last = Math.max(performance.timeOrigin + performance.now(), last + 0.01);
  localStorage.setItem(ENTRY + entry.seq, JSON.stringify(entry));
}

export const drop = ({ seq }) => localStorage.removeItem(ENTRY + seq);

/** Whether this page may send now, and for so long no other one. */
export function mayISend(forMs = SENDING_MS) {
  const sender = JSON.parse(localStorage.getItem(SENDER) ?? "null");
  const leftMs = sender ? sender.until_ms - Date.now() : 0;
  // longer than anybody asks for: the clock was put back
  if (sender && sender.page !== page && leftMs > 0 && leftMs <= SENDING_MS) return false;
  localStorage.setItem(SENDER, JSON.stringify({ page, until_ms: Date.now() + forMs }));
  return true;
}

/** Another page may send at once. */
export function letOthersSend() {
  if (JSON.parse(localStorage.getItem(SENDER) ?? "null")?.page === page) localStorage.removeItem(SENDER);
}

/** `run()` after another tab has changed what is kept. */
export const onOthers = (run) => addEventListener("storage", ({ key }) => (key === null || key.startsWith(ENTRY)) && run());
