// Asks the service for gradings and for how many there are.

import { ask, query } from "./api.js";

const STATS = ["since", "until", "line", "lot", "camera", "grade", "lane", "max_confidence", "model"];
const MOST = 500; // of one answer
const LOOKED_AT = 5_000; // in one go, for the few that were corrected

/**
 * Gradings, newest first: { gradings, next_cursor, looked }, `looked` being how many were looked at for them. The service does not
 * choose by correction, so that is done here: then there may be fewer than `limit`, or some more, and the cursor leads on.
 */
export async function pageOf({ corrected, ...asked }, limit, cursor, signal) {
  const page = (size, from) => ask(`/v1/gradings${query({ ...asked, limit: size, cursor: from })}`, { signal });
  const fits = (each) => !corrected || Boolean(each.correction) === (corrected === "true");
  const gradings = [];
  let [next, looked] = [cursor, 0];
  do {
    const found = await page(corrected === "true" ? MOST : Math.min(MOST, corrected ? limit : limit - gradings.length), next);
    gradings.push(...found.gradings.filter(fits));
    looked += found.gradings.length;
    next = found.next_cursor;
  } while (next && gradings.length < limit && looked < LOOKED_AT);
  return { gradings, next_cursor: next, looked };
}

/** { total, manual } of all that fit; null where the service does not count by what is asked for. */
export async function countOf(asked, signal) {
  if (asked.corrected || (asked.model && asked.max_confidence)) return null;
  return ask(`/v1/stats${query(Object.fromEntries(STATS.map((name) => [name, asked[name]])))}`, { signal });
}
