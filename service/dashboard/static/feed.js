// The page's only way to what happens: events as they come, the full state after each (re)connection, and a watch on silence.
// The service says something every two seconds; what is quiet for longer is cut off, whatever the browser believes. Nothing is
// queued here, so a slow tablet falls behind by nothing.

import { query } from "./api.js";
import { recognised } from "./session.js";

const LOOK_MS = 500;
const SILENT_MS = 4_000; // two of the service's signs of life did not come
const ANSWER_MS = 2_500; // no answer for so long counts as none
const RETRY_MS = 1_500;

/**
 * `on` has link, health, model, clock, refresh, and a function for each kind of event wanted in `only` (grading, stats, alarm,
 * activity). `wanted` are the stream's query parameters. `refresh` is called once the stream is open: what happened while nobody
 * listened is in the records, so the page asks for it rather than rely on replayed events.
 */
export function openFeed(root, wanted, on) {
  let source = null;
  let heardAt = performance.now();
  let triedAt = -Infinity;
  let parameters = wanted;
  let stopped = false;

  function connect() {
    source?.close();
    triedAt = performance.now();
    source = new EventSource(`${root}/v1/events${query(parameters)}`);
    source.addEventListener("open", opened);
    source.addEventListener("error", () => on.link("lost"));
    source.addEventListener("clock", (event) => {
      heard();
      const { now, pages } = JSON.parse(event.data);
      on.clock?.(Date.parse(now), pages);
    });
    for (const name of parameters.only.split(",")) listen(name);
  }

  function listen(name) {
    source.addEventListener(name, (event) => {
      heard();
      if (name === "model") on.health("ready");
      on[name]?.(JSON.parse(event.data));
    });
  }

  function heard() {
    heardAt = performance.now();
    on.link("open");
  }

  async function opened() {
    heard();
    const mine = source;
    const ended = await Promise.allSettled([askHealth(), on.refresh?.()]);
    if (mine !== source || stopped || ended.every(({ status }) => status === "fulfilled")) return;
    if (source.readyState !== EventSource.OPEN) on.link("lost");
    else setTimeout(() => mine === source && !stopped && opened(), RETRY_MS); // what is shown may lack something
  }

  async function askHealth() {
    const answer = await fetch(`${root}/health/ready`, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" });
    const body = await answer.json().catch(() => null);
    if (body?.model) on.model?.(body.model);
    on.health(answer.ok ? "ready" : (body?.code ?? "ready"));
    return answer;
  }

  // A stream over a pulled cable stays "open" for minutes, and one that a proxy answered with an error never retries.
  async function look() {
    const now = performance.now();
    const silent = now - heardAt > SILENT_MS;
    if (silent) on.link("lost");
    if ((silent || source.readyState === EventSource.CLOSED) && now - triedAt > SILENT_MS) {
      source.close();
      triedAt = now;
      try {
        // the stream itself says nothing of why it was refused; whoever is logged out by now is shown the way in
        recognised(await fetch(`${root}/v1/alarms?open=true`, { signal: AbortSignal.timeout(ANSWER_MS), cache: "no-store" }));
        await askHealth();
        heardAt = performance.now();
        connect();
      } catch {
        triedAt = performance.now() - SILENT_MS + RETRY_MS;
      }
    }
    if (!stopped) setTimeout(look, LOOK_MS);
  }

  connect();
  setTimeout(look, LOOK_MS);

  return {
    /** Watch something else from now on: another line, another shift. */
    change(other) {
      parameters = { ...parameters, ...other };
      connect();
    },
    close() {
      stopped = true;
      source.close();
    },
  };
}
