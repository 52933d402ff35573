// What the chapters ask the service for, and what its refusals mean. Each of these throws a Problem, see api.js.

import { ask, Problem, query, send } from "./api.js";
import { mark, t } from "./i18n.js";
import { recognised } from "./session.js";

const root = document.documentElement.dataset.root;
const EXPLAIN_MS = 60_000; // a large network on a small computer

const SAID = {
  explanations_unavailable: mark("The part that looks into networks is not installed on this computer."),
  explanation_timeout: mark("The network did not answer in time. Try again when the line is quiet."),
  explanation_failed: mark("The network could not be looked into. The log of the service says more."),
  too_many_explanations: mark("Others are looking into the network at the moment. Try again."),
  gallery_not_made: mark("No gallery has been made of this network yet. This makes it: `senka gallery --data SOURCE`"),
};

/** What went wrong, in the page's language. */
export const wordsOf = (problem) => (SAID[problem.code] ? t(SAID[problem.code]) : problem.words());

/** The network's layers and methods. */
export const methods = () => ask("/v1/explain/methods", { waitMs: EXPLAIN_MS });
export const architectures = () => ask("/v1/explain/architectures", { waitMs: EXPLAIN_MS });
export const gallery = () => ask("/v1/explain/gallery");
export const galleryFile = (path) => `${root}/v1/explain/gallery/${path}`;

/** The model that grades, { name, version }. */
export const serving = async () => (await ask("/health/ready")).model;

/** The newest gradings of one model that have a grade. */
export async function gradingsOf(sha256) {
  const { gradings } = await ask(`/v1/gradings${query({ limit: 50 })}`);
  return gradings.filter((grading) => grading.grade && grading.model.sha256 === sha256);
}

/**
 * One explanation as JSON. `photograph` is {grading} or {blob}, or null for methods that need none; the other arguments are
 * the query of the request.
 */
export function explain(method, photograph, asked = {}) {
  const all = { method, ...asked, grading_id: photograph?.grading?.id };
  return send("POST", `/v1/explain${query(all)}`, photograph?.blob ?? undefined, { waitMs: EXPLAIN_MS });
}

/** A photograph's own bytes. */
export async function bytesOf(path) {
  const answer = recognised(await fetch(path));
  if (!answer.ok) throw new Problem(answer.status, "photograph_not_kept", "");
  return answer.blob();
}

/** Where a photograph's pixels come from. */
export function pictureOf({ grading, address }) {
  return grading ? `${root}/v1/gradings/${encodeURIComponent(grading.id)}/image` : address;
}
