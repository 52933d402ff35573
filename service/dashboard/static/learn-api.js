// What the teaching pages ask the service for. A refusal becomes an Error whose message is the service's own sentence.

import { csrfHeaders, recognised } from "./session.js";

const root = document.documentElement.dataset.root;

const addressOf = (path) => `${root}${path}`;

async function answer(path, options) {
  let response;
  try {
    response = recognised(await fetch(addressOf(path), options));
  } catch {
    throw new Error("The grading computer does not answer. Is it switched on, and its cable in?");
  }
  const found = await response.json().catch(() => ({}));
  if (response.ok) return found;
  const refusal = new Error(found.detail || found.title || `The service answered ${response.status}.`);
  refusal.code = found.code;
  throw refusal;
}

/** The network's layers and methods. */
export const methods = () => answer("/v1/explain/methods");
export const architectures = () => answer("/v1/explain/architectures");
export const gallery = () => answer("/v1/explain/gallery");
export const galleryFile = (path) => addressOf(`/v1/explain/gallery/${path}`);

/** The newest gradings of one model that have a grade. */
export async function gradingsOf(sha256) {
  const { gradings } = await answer("/v1/gradings?limit=50");
  return gradings.filter((grading) => grading.grade && grading.model.sha256 === sha256);
}

/**
 * One explanation as JSON. `photograph` is {grading} or {blob}, or null for methods that need none; the other arguments are
 * the query of the request.
 */
export async function explain(method, photograph, query = {}) {
  const asked = new URLSearchParams({ method, ...query });
  if (photograph?.grading) asked.set("grading_id", photograph.grading.id);
  const headers = { Accept: "application/json", ...csrfHeaders() };
  if (photograph?.blob) headers["Content-Type"] = photograph.blob.type || "application/octet-stream";
  return answer(`/v1/explain?${asked}`, { method: "POST", headers, body: photograph?.blob ?? undefined });
}

/** A photograph's own bytes. */
export async function bytesOf(path) {
  const response = recognised(await fetch(path));
  if (!response.ok) throw new Error("The photograph is no longer kept.");
  return response.blob();
}

/** Where a photograph's pixels come from. */
export function pictureOf({ grading, address }) {
  return grading ? addressOf(`/v1/gradings/${encodeURIComponent(grading.id)}/image`) : address;
}
