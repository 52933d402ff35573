// The line's state in text, shape and colour, and the age of what is shown.

import { age, phase } from "./line.js";
import { duration, words } from "./words.js";

const SPEAK_MS = 10_000; // a screen reader gets a summary, not every fruit

function ageText(kind, ms) {
  if (kind === null) return "";
  return kind === "ago" && ms < 1000 ? words.justNow : words[kind](duration(ms));
}

export function lineStatus() {
  const at = (id) => document.getElementById(id);
  let spokenAt = -Infinity;
  let spokenPhase = "connecting";

  function speak(now, state, newest) {
    if (state === spokenPhase && (state !== "running" || now - spokenAt < SPEAK_MS)) return;
    spokenPhase = state;
    spokenAt = now;
    const fruit = newest && state === "running" ? words.spokenFruit(newest.grade ?? words.noGrade, newest.lane === "manual") : "";
    at("spoken").textContent = [words.phase[state], fruit].filter(Boolean).join(". ");
  }

  return (line, now) => {
    const state = phase(line, now);
    const { kind, ms, stale } = age(line, now);
    document.body.dataset.phase = state;
    document.body.dataset.stale = stale ? "yes" : "no";
    document.body.dataset.filled = line.gradings.length ? "yes" : "no";
    at("state-shape").setAttribute("href", `#phase-${state}`);
    at("state-word").textContent = words.phase[state];
    at("state-age").textContent = ageText(kind, ms);
    at("model-name").textContent = line.model ? words.model(line.model.name, line.model.version) : words.none;
    speak(now, state, line.gradings[0]);
  };
}
