// The line's state in text, shape and colour, and the age of what is shown.

import { at } from "./dom.js";
import { duration, mark, t } from "./i18n.js";
import { age, phase } from "./live-line.js";

const SPEAK_MS = 10_000; // a screen reader gets a summary, not every fruit
const PHASES = {
  connecting: mark("Connecting"),
  running: mark("Running"),
  waiting: mark("Waiting for fruit"),
  lost: mark("Not connected"),
  no_model: mark("No model yet"),
  stopping: mark("Stopping"),
};
const AGES = {
  ago: mark("{time} ago"),
  lastFruit: mark("last fruit {time} ago"),
  lastData: mark("last data {time} ago"),
  quiet: mark("no fruit for {time}"),
};

function ageText(kind, ms) {
  if (kind === null) return "";
  return kind === "ago" && ms < 1000 ? t("just now") : t(AGES[kind], { time: duration(ms) });
}

export function lineStatus() {
  let spokenAt = -Infinity;
  let spokenPhase = "connecting";

  function speak(now, state, newest) {
    if (state === spokenPhase && (state !== "running" || now - spokenAt < SPEAK_MS)) return;
    spokenPhase = state;
    spokenAt = now;
    const grade = newest?.grade ?? t("no grade");
    const fruit = newest && state === "running" ? (newest.lane === "manual" ? t("{grade}, manual lane", { grade }) : grade) : "";
    at("spoken").textContent = [t(PHASES[state]), fruit].filter(Boolean).join(". ");
  }

  return (line, now) => {
    const state = phase(line, now);
    const { kind, ms, stale } = age(line, now);
    document.body.dataset.phase = state;
    document.body.dataset.stale = stale ? "yes" : "no";
    document.body.dataset.filled = line.gradings.length ? "yes" : "no";
    at("state-shape").setAttribute("href", `#phase-${state}`);
    at("state-word").textContent = t(PHASES[state]);
    at("state-age").textContent = ageText(kind, ms);
    at("model-name").textContent = line.model ? t("{name}, version {version}", line.model) : "–";
    speak(now, state, line.gradings[0]);
  };
}
