// Dreams: a photograph of a grading and a layer, climbed for a minute at most.

import { ask, explain, inWords } from "./explain-api.js";
import { scrubber } from "./explain-scrub.js";
import { words } from "./explain-words.js";

const FRAMES = 20;

const at = (id) => document.getElementById(id);

/** Returns a function that is told the grading whose photograph is dreamt on; null where there is none. */
export function dreams() {
  let grading = null;
  let asking = null;

  function stop() {
    asking?.abort();
    asking = null;
    at("dream-busy").textContent = "";
    at("dream-stop").hidden = true;
  }

  at("dream-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    stop();
    asking = new AbortController();
    const { signal } = asking;
    at("dream-trouble").textContent = "";
    at("dreamt").replaceChildren();
    at("dream-busy").textContent = words.busyLong;
    at("dream-stop").hidden = false;
    const layer = at("dream-layer").value;
    const asked = { octaves: at("dream-octaves").value, steps: at("dream-steps").value, frames: FRAMES };
    try {
      const answer = await explain({ method: "deepdream", layer, grading_id: grading.id, ...asked }, signal);
      const frames = (answer.frames ?? []).map((frame) => `data:image/png;base64,${frame}`);
      if (frames.length) at("dreamt").replaceChildren(scrubber(frames, answer.objective ?? [], words.dreamOf(layer)));
    } catch (error) {
      if (!signal.aborted) at("dream-trouble").textContent = inWords(error);
    }
    if (!signal.aborted) stop();
  });
  at("dream-stop").addEventListener("click", stop);

  return async (next) => {
    stop();
    at("dreamt").replaceChildren();
    grading = next;
    at("dream-form").hidden = !grading;
    if (!grading || at("dream-layer").options.length) return;
    try {
      const { methods } = await ask("/v1/explain/methods");
      const dream = methods.find(({ name }) => name === "deepdream");
      at("dream-form").hidden = !dream;
      at("dream-layer").replaceChildren(...(dream?.layers ?? []).map((name) => new Option(name, name, false, name === dream.default_layer)));
    } catch (error) {
      at("dream-form").hidden = true;
      at("dream-layers-trouble").textContent = inWords(error);
    }
  };
}
