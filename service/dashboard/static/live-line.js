// What the page knows about the line, and what follows from it. No DOM and no network here: plain data in, plain data out.

export const LATEST = 12; // fruit kept in memory and on the page; older ones belong to the records
const QUIET_MS = 15_000; // no fruit for so long: the line is waiting, not running
const STALE_QUIET_MS = 30_000; // and so long: what is shown is history, grey
const SAME_MOMENT_MS = 2_000; // the server's clock is known to about a second; closer than this is "now"

export function newLine() {
  return {
    gradings: [], // newest first
    stats: null,
    activity: null, // of every line and camera, and fruit by minute
    model: null,
    health: "ready", // or model_not_ready, draining
    link: "connecting", // or open, lost
    skewMs: 0, // the server's clock minus this tablet's
    dataAt: null, // when the server was last heard of, by this tablet's clock
    fruitAt: null, // when the newest fruit came, by this tablet's clock
  };
}

/**
 * Takes gradings in, in any order and any number of times. Sorting by the server's time is what makes repeats after a
 * reconnection harmless: one that left the dozen sorts behind it again, so no list of everything ever seen is needed.
 */
export function addGradings(line, gradings, now) {
  const known = new Set(line.gradings.map((grading) => grading.id));
  const fresh = gradings.filter((grading) => !known.has(grading.id) && known.add(grading.id));
  if (!fresh.length) return;
  line.gradings = [...fresh, ...line.gradings].sort(newestFirst).slice(0, LATEST);
  const age = now + line.skewMs - Date.parse(line.gradings[0].received_at);
  line.fruitAt = now - (age > SAME_MOMENT_MS ? age : 0);
}

/** The service says what time it is there: this tablet's clock may be wrong, and what is here already was dated by it. */
export function setClock(line, serverNow, now) {
  line.skewMs = serverNow - now;
  const [newest] = line.gradings;
  if (!newest) return;
  const age = serverNow - Date.parse(newest.received_at);
  const fruitAt = now - Math.max(0, age);
  if (Math.abs(fruitAt - line.fruitAt) > SAME_MOMENT_MS) line.fruitAt = fruitAt;
}

function newestFirst(a, b) {
  // identifiers are made in order of time, so they settle a tie
  if (a.received_at === b.received_at) return a.id < b.id ? 1 : -1;
  return a.received_at < b.received_at ? 1 : -1;
}

/** One word for the line's state; the page has a text, a shape and a colour for each. */
export function phase(line, now) {
  if (line.link !== "open") return line.link;
  if (line.health === "draining") return "stopping";
  if (line.health === "model_not_ready") return "no_model";
  return line.fruitAt !== null && now - line.fruitAt < QUIET_MS ? "running" : "waiting";
}

/** How old what is shown is: which phrase says it, and whether to grey the page. `kind` is null when there is nothing to date. */
export function age(line, now) {
  const quietMs = line.fruitAt === null ? null : now - line.fruitAt;
  if (line.link === "lost") {
    const ms = line.dataAt === null ? null : now - line.dataAt;
    return { kind: ms === null ? null : "lastData", ms, stale: true };
  }
  if (quietMs === null) return { kind: null, ms: null, stale: false };
  if (phase(line, now) === "running") return { kind: "ago", ms: quietMs, stale: false };
  const kind = phase(line, now) === "waiting" ? "quiet" : "lastFruit";
  return { kind, ms: quietMs, stale: quietMs >= STALE_QUIET_MS };
}
