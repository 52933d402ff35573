// The gradings just before and after one, in the order of the list.

import { ask, query } from "./api.js";

const SAME_MOMENT = 50; // more gradings than this do not come within a millisecond

/** { earlier, later }: identifiers, null at the ends. Moments are shown to the millisecond, and several may share one. */
export async function around({ id, received_at: at }) {
  const after = new Date(Date.parse(at) + 1).toISOString();
  const { gradings } = await ask(`/v1/gradings${query({ until: after, limit: SAME_MOMENT })}`);
  const place = gradings.findIndex((each) => each.id === id);
  return { earlier: gradings[place + 1]?.id ?? null, later: gradings[place - 1]?.id ?? (await firstSince(after)) };
}

/** The list begins with the newest, so the oldest since a moment is looked up by its own moment. */
async function firstSince(since) {
  const { first_received_at: first } = await ask(`/v1/stats${query({ since })}`);
  if (!first) return null;
  const until = new Date(Date.parse(first) + 1).toISOString();
  const { gradings } = await ask(`/v1/gradings${query({ since: first, until, limit: SAME_MOMENT })}`);
  return gradings.at(-1)?.id ?? null;
}
