// Which gradings are asked for, as it stands in the address of the page: the same names as GET /v1/gradings has, a quick choice of
// time (`span`) and how they are shown (`view`). An address can be passed on, and the back button works.

import { query } from "./api.js";
import { atIn, dateIn, fieldIn, later, startOf } from "./lots-time.js";

const TIMES = ["since", "until"];
const PLACES = ["line", "lot", "camera", "grade", "lane", "max_confidence", "model", "corrected"];
const SPANS = ["hour", "today", "yesterday"];
/** The names of all filters but the quick choice of time. */
export const FILTERS = [...TIMES, ...PLACES];

/** { span, since, until, line, …, view } of the address; "" where nothing is asked for. */
export function inAddress(search = location.search) {
  const given = new URLSearchParams(search);
  const span = SPANS.includes(given.get("span")) ? given.get("span") : "";
  const found = Object.fromEntries(FILTERS.map((name) => [name, given.get(name) ?? ""]));
  if (span) found.since = found.until = "";
  return { ...found, span, view: given.get("view") === "table" ? "table" : "wall" };
}

/** The address of what is asked for. */
export function addressOf({ view, ...asked }) {
  return location.pathname + query({ ...asked, view: view === "table" ? view : "" });
}

/** What is asked for, as GET /v1/gradings takes it; a quick choice of time by the clock of the time zone, which is the farm's. */
export function forService({ view, span, ...asked }, zone, now = Date.now()) {
  return { ...asked, ...(span ? spanOf(span, zone, now) : {}) };
}

function spanOf(span, zone, now) {
  const iso = (at) => new Date(at).toISOString();
  if (span === "hour") return { since: iso(atIn(zone, `${fieldIn(zone, now).slice(0, 13)}:00`)) };
  const today = dateIn(zone, now);
  const midnight = (days) => iso(startOf(zone, later(today, days)));
  return span === "today" ? { since: midnight(0) } : { since: midnight(-1), until: midnight(0) };
}
