// The explaining pages' way to the service: answers, or problems that can be read out.

import { Problem } from "./api.js";
import { mark, t } from "./i18n.js";
import { sentences } from "./explain-say.js";
import { csrfHeaders, recognised } from "./session.js";

const root = document.documentElement.dataset.root;
const ANSWER_MS = 90_000; // the longest method may take a minute, and may wait before that
const LISTED = 40; // more possible names than these help nobody

const SAID = {
  not_found: mark("Not found."),
  gallery_not_made: mark("The gallery of this model was not made."),
  model_mismatch: mark("The network that could explain this is not the one that graded."),
  checkpoint_missing: mark("The network that graded was not kept in the form that explanations need."),
  checkpoint_mismatch: mark("The network that could explain this is not the one that graded."),
  invalid_request: mark("The service could not use what was asked."),
  invalid_parameter: mark("The service could not use what was asked."),
  unknown_method: mark("The service could not use what was asked."),
  unknown_layer: mark("The service could not use what was asked."),
  too_many_explanations: mark("Too many explanations at once. Wait a moment, then ask again."),
  explanation_timeout: mark("The explanation took too long and was stopped. Try fewer steps or a smaller picture."),
  explanation_failed: mark("The explanation could not be computed."),
  explanations_unavailable: mark("Explanations are not available on this computer."),
};

/** What went wrong with an explanation: `words()` also say what would do, and when to ask again. */
class ExplainProblem extends Problem {
  words() {
    const { valid, retryAfter } = this.facts;
    return sentences(
      SAID[this.code] ? t(SAID[this.code]) : super.words(),
      Array.isArray(valid) && valid.length && valid.length <= LISTED
        ? t("Possible: {names}.", { names: valid.map((name) => `\`${name}\``).join(", ") })
        : "",
      retryAfter ? t("Ask again in {seconds} s.", { seconds: retryAfter }) : "",
    );
  }
}

/** The whole answer. Throws Problem, or AbortError when `signal` fired: then nobody waits for it any more. */
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
    throw new ExplainProblem(0, error.name === "TimeoutError" ? "explanation_timeout" : "unreachable", "");
  }
  if (recognised(answer).ok) return answer;
  const { code = "internal_error", detail = "", ...facts } = (await answer.json().catch(() => null)) ?? {};
  throw new ExplainProblem(answer.status, code, detail, { ...facts, retryAfter: answer.headers.get("Retry-After") });
}

/** A JSON answer. Throws as fetchAnswer. */
export async function ask(path, options = {}) {
  return (await fetchAnswer(path, options)).json();
}

/** { method: "cam", layer: null } -> "/v1/explain?method=cam": what is null or empty is left out. */
export function explainPath(asked) {
  const given = Object.entries(asked).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return `/v1/explain?${new URLSearchParams(given)}`;
}

/** One explanation as JSON. Throws as fetchAnswer. */
export function explain(asked, signal = null) {
  return ask(explainPath(asked), { method: "POST", signal });
}

/** A file of a gallery; with its version and identifier, so that the browser keeps it until the gallery is made again. Paths of
 * other answers begin at the service already. */
export function galleryFile(path, gallery = null) {
  if (path.startsWith("/")) return root + path;
  const which = gallery ? `?${new URLSearchParams({ version: gallery.model.version, id: gallery.id ?? "" })}` : "";
  return `${root}/v1/explain/gallery/${path.split("/").map(encodeURIComponent).join("/")}${which}`;
}

/** The problem, where it is one; what was called off is none, and what is no answer of the service is a fault of ours: let it
 * be seen. */
export function problemOf(error) {
  if (error.name === "AbortError") return null;
  if (!(error instanceof Problem)) throw error;
  return error;
}
