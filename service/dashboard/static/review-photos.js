// Photographs fetched and decoded before they are needed, so that the next fruit is there at once, without a connection too.

import { Problem } from "./api.js";
import { photographOf } from "./fruit.js";
import { recognised } from "./session.js";

const KEPT = 24;
const ANSWER_MS = 10_000;
const held = new Map(); // grading id -> { image, url, coming }, those used last at the end

/** Resolves to an image that can be shown at once, or null where none is kept. Throws Problem; the next call tries again. */
export function photograph(id) {
  const known = held.get(id);
  if (known) {
    held.delete(id);
    held.set(id, known);
    return known.coming;
  }
  const one = {};
  one.coming = load(id, one).catch((failed) => {
    held.delete(id);
    throw failed;
  });
  held.set(id, one);
  for (const [old, { url }] of held) {
    if (held.size <= KEPT) break;
    if (url) URL.revokeObjectURL(url);
    held.delete(old);
  }
  return one.coming;
}

/** The image, where it is here already: null where none is kept, undefined where it has yet to come. */
export const photographNow = (id) => held.get(id)?.image;

/** Where a small copy can be had from. */
export const thumbnailOf = (id) => held.get(id)?.url ?? photographOf(id);

async function load(id, one) {
  const answer = await fetch(photographOf(id), { signal: AbortSignal.timeout(ANSWER_MS) }).catch(() => {
    throw new Problem(0, "unreachable", "");
  });
  recognised(answer);
  if (answer.status === 404) return (one.image = null);
  if (!answer.ok) throw new Problem(answer.status, "internal_error", "");
  const content = await answer.blob().catch(() => {
    throw new Problem(0, "unreachable", "");
  });
  one.url = URL.createObjectURL(content);
  const image = new Image();
  image.src = one.url;
  // a format that this browser does not know is no photograph to look at
  one.image = await image.decode().then(() => image, () => null);
  return one.image;
}
