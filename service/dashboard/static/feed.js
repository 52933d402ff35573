// The page's only way to the service: events as they come, the full state after each (re)connection, and a pulse that
// notices what an event stream cannot. Nothing is queued here, so a slow tablet falls behind by nothing.

import { recognised } from "./session.js";

const PULSE_MS = 5_000;
const PULSE_LOST_MS = 2_000; // while the line is away, look more often: the answer is one small reply
const ANSWER_MS = 4_000; // no answer for so long counts as none
const STATS_QUIET_MS = 10_000; // figures "a minute" fall while no fruit comes, so they are asked for when no event brings them

/** `on` has gradings, stats, model, health, clock and link; `root` is the service's prefix, "" where it has none. */
export function openFeed(root, latest, on) {
  let source = null;
  let statsAt = 0;

  function connect() {
    source?.close();
    source = new EventSource(`${root}/v1/events`);
    // what happened while nobody listened is in the records, so ask for it rather than rely on replayed events
    source.addEventListener("open", refresh);
    source.addEventListener("error", () => on.link("lost"));
    listen("grading", (grading) => on.gradings([grading]));
    listen("stats", (stats) => {
      statsAt = Date.now();
      on.stats(stats);
    });
    listen("model", (model) => {
      on.model(model);
      on.health("ready");
    });
  }

  function listen(name, take) {
    source.addEventListener(name, (event) => {
      on.link("open");
      take(JSON.parse(event.data));
    });
  }

  async function ask(path) {
    const answer = recognised(await fetch(root + path, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" }));
    return { ok: answer.ok, status: answer.status, date: answer.headers.get("Date"), body: await answer.json().catch(() => null) };
  }

  async function refresh() {
    try {
      // health first: its clock dates the gradings
      await askHealth();
      const [page] = await Promise.all([ask(`/v1/gradings?limit=${latest}`), askStats()]);
      if (page.ok && page.body) on.gradings(page.body.gradings);
      if (source.readyState === EventSource.OPEN) on.link("open");
    } catch {
      on.link("lost");
    }
  }

  async function askStats() {
    statsAt = Date.now();
    const stats = await ask("/v1/stats");
    if (stats.ok && stats.body) on.stats(stats.body);
  }

  async function askHealth() {
    const ready = await ask("/health/ready");
    if (ready.date) on.clock(Date.parse(ready.date));
    if (ready.body?.model) on.model(ready.body.model);
    on.health(ready.ok ? "ready" : (ready.body?.code ?? "ready"));
  }

  // A stream over a pulled cable stays "open" for minutes, and a stream that a proxy answered with an error never retries:
  // this small question finds out about both.
  async function pulse() {
    let wait = PULSE_MS;
    try {
      await askHealth();
      if (source.readyState === EventSource.CLOSED) connect();
      else if (source.readyState === EventSource.OPEN && Date.now() - statsAt > STATS_QUIET_MS) await askStats();
    } catch {
      source.close();
      on.link("lost");
      wait = PULSE_LOST_MS;
    }
    if (source.readyState !== EventSource.OPEN) wait = PULSE_LOST_MS;
    setTimeout(pulse, wait);
  }

  connect();
  setTimeout(pulse, PULSE_LOST_MS);
}
