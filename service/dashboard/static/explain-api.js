// The explaining pages' way to the service: answers, or problems that can be read out.

import { csrfHeaders, recognised } from "./session.js";
import { words } from "./explain-words.js";

export const root = document.documentElement.dataset.root;
const ANSWER_MS = 90_000; // the longest method may take a minute, and may wait before that

/** What the service said went wrong; `status` 0 where no answer came at all. */
export class Problem extends Error {
  constructor(status, body = null, retryAfter = null) {
    super(body?.detail ?? body?.title ?? "");
    this.status = status;
    this.code = body?.code ?? null;
    this.valid = Array.isArray(body?.valid) ? body.valid : null;
    this.retryAfter = retryAfter;
  }
}

/** The whole answer. Raises Problem, or AbortError when `signal` fired: then nobody waits for it any more. */
export async function fetchAnswer(path, { signal = null, method = "GET", accept = "application/json" } = {}) {
  const late = AbortSignal.timeout(ANSWER_MS);
  let answer;
  try {
    answer = await fetch(root + path, {
      method,
      headers: { Accept: accept, ...(method === "GET" ? {} : csrfHeaders()) },
      signal: signal ? AbortSignal.any([signal, late]) : late,
    });
  } catch (error) {
    if (signal?.aborted) throw error;
    throw new Problem(error.name === "TimeoutError" ? 504 : 0);
  }
  if (!recognised(answer).ok) throw new Problem(answer.status, await answer.json().catch(() => null), answer.headers.get("Retry-After"));
  return answer;
}

/** A JSON answer. Raises as fetchAnswer. */
export async function ask(path, options = {}) {
  return (await fetchAnswer(path, options)).json();
}

/** { method: "cam", layer: null } -> "/v1/explain?method=cam": what is null or empty is left out. */
export function explainPath(asked) {
  const given = Object.entries(asked).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `/v1/explain?${new URLSearchParams(given)}`;
}

/** One explanation as JSON. Raises as fetchAnswer. */
export function explain(asked, signal = null) {
  return ask(explainPath(asked), { method: "POST", signal });
}

/** Where a grading's photograph is. */
export function photographOf(id) {
  return `${root}/v1/gradings/${encodeURIComponent(id)}/image`;
}

/** A file of a gallery; with its version and identifier, so that the browser keeps it until the gallery is made again. Paths of
 * other answers begin at the service already. */
export function galleryFile(path, gallery = null) {
  if (path.startsWith("/")) return root + path;
  const which = gallery ? `?${new URLSearchParams({ version: gallery.model.version, id: gallery.id ?? "" })}` : "";
  return `${root}/v1/explain/gallery/${path.split("/").map(encodeURIComponent).join("/")}${which}`;
}

/** A problem as sentences: what happened, what the service said about it, what to do. Empty for what was called off. */
export function inWords(error) {
  if (error.name === "AbortError") return "";
  if (!(error instanceof Problem)) throw error; // ours: let it be seen
  const { trouble } = words;
  if (!error.status) return trouble.unreachable;
  return [
    trouble[error.status] ?? trouble.other(error.status),
    error.message,
    error.valid?.length && error.valid.length <= 40 ? trouble.valid(error.valid) : "",
    error.retryAfter ? trouble.retry(error.retryAfter) : "",
  ].filter(Boolean).join(" ");
}
