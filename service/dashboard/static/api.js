// Requests to the service, and what went wrong with one in words.

import { mark, t } from "./i18n.js";
import { csrfHeaders, recognised } from "./session.js";

const root = document.documentElement.dataset.root;
const ANSWER_MS = 10_000;

const SAID = {
  unreachable: mark("The grading computer does not answer. Is it switched on, and its cable in?"),
  slow: mark("No answer came in time. Try again."),
  forbidden: mark("You may not do this. Somebody with another role has to log in."),
  unauthenticated: mark("You are not logged in."),
  records_off: mark("This service keeps no records, so there is nothing to show or change here."),
  records_unavailable: mark("The records do not answer. Grading goes on. Try again in a moment."),
  not_found: mark("It is not there any more."),
  grading_not_found: mark("This grading is not on record."),
  model_not_found: mark("There is no such model."),
  photograph_not_kept: mark("No photograph was kept of this fruit."),
  already_exists: mark("There is one of that name already."),
  in_use: mark("It is in use, so it cannot be deleted."),
  last_admin: mark("This is the last admin: make another one first."),
  invalid_request: mark("Something that was entered cannot be used. Look at it again."),
  invalid_batch: mark("This batch cannot be read. It should be a zip with `manifest.csv` and the photographs."),
  body_too_large: mark("This file is too large."),
  body_timeout: mark("It did not arrive in time. Try again."),
  unsafe_file: mark("This file is not taken: something in it could do harm."),
  time_zone_missing: mark("This computer does not know the farm's time zone. Choose another one in Settings."),
  photograph_unavailable: mark("The photograph store does not answer. Try again in a moment."),
  explanations_unavailable: mark("Explanations are not available on this computer."),
  explanation_timeout: mark("The explanation took too long and was stopped."),
  too_many_explanations: mark("Too many explanations at once. Try again in a moment."),
  too_many_batches: mark("Other batches are being read. Try again in a moment."),
  too_many_exports: mark("Other exports are under way. Try again in a moment."),
  no_room: mark("The disk is full."),
  retraining_running: mark("A training is running already."),
  retraining_not_running: mark("This training has ended already."),
  retraining_not_resumable: mark("This training cannot be gone on with. Start a new one."),
  retraining_not_started: mark("The training could not be started."),
  training_not_installed: mark("Training is not installed on this computer."),
  model_corrupt: mark("The file of this model is damaged."),
  repository_unreadable: mark("The models cannot be read."),
  page_not_made: mark("This report was not made."),
  model_not_ready: mark("There is no model yet."),
  overloaded: mark("The grading computer has too much to do. Try again in a moment."),
  rate_limited: mark("Too many requests. Try again in a moment."),
  draining: mark("The grading computer is stopping."),
  internal_error: mark("The grading computer made an error. Its log says more."),
};

/** Why a request failed. `words()` says it in the page's language; `detail` is the service's own, more exact, English. */
export class Problem extends Error {
  constructor(status, code, detail, facts = {}) {
    super(detail || code);
    Object.assign(this, { status, code, detail, facts });
  }

  words() {
    return SAID[this.code] ? t(SAID[this.code]) : t("The service answered with an error ({status}).", { status: this.status });
  }
}

/** The answer as JSON (null where there is none). Throws Problem. */
export async function send(method, path, body, { waitMs = ANSWER_MS, signal } = {}) {
  const raw = body instanceof Blob;
  const headers = method === "GET" ? {} : csrfHeaders();
  if (body !== undefined) headers["Content-Type"] = raw ? body.type || "application/octet-stream" : "application/json";
  const ended = [AbortSignal.timeout(waitMs), ...(signal ? [signal] : [])];
  let answer;
  try {
    answer = await fetch(root + path, {
      method,
      headers,
      body: body === undefined || raw ? body : JSON.stringify(body),
      signal: AbortSignal.any(ended),
      cache: "no-store",
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(0, error.name === "TimeoutError" ? "slow" : "unreachable", "");
  }
  recognised(answer);
  if (answer.status === 204) return null;
  const found = await answer.json().catch(() => null);
  if (answer.ok) return found;
  const { code = "internal_error", detail = "", ...facts } = found ?? {};
  throw new Problem(answer.status, code, detail, facts);
}

export const ask = (path, options) => send("GET", path, undefined, options);

/** query({ line: "1", lot: null }) -> "?line=1": what is null, undefined or "" is left out. */
export function query(parts) {
  const given = Object.entries(parts).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return given.length ? `?${new URLSearchParams(given)}` : "";
}

/** All of a list that comes in pages: all("/v1/lots", "lots"). At most `most`. */
export async function all(path, name, most = 1000) {
  const found = [];
  let cursor = null;
  do {
    const page = await ask(path + query({ limit: 200, cursor }));
    found.push(...page[name]);
    cursor = page.next_cursor;
  } while (cursor && found.length < most);
  return found;
}
