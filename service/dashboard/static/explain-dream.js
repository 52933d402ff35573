// Dreams: a photograph of a grading and a layer, climbed for a minute at most.

import { at } from "./dom.js";
import { ask, explain, problemOf } from "./explain-api.js";
import { tell, tellTrouble } from "./explain-say.js";
import { scrubber } from "./explain-scrub.js";
import { BUSY_LONG } from "./explain-words.js";
import { t } from "./i18n.js";

const FRAMES = 20;

/** Returns a function that is told the grading whose photograph is dreamt on; null where there is none. */
export function dreams() {
  let grading = null;
  let asking = null;

  function stop() {
    asking?.abort();
    asking = null;
    tell(at("dream-busy"), null);
    at("dream-stop").hidden = true;
  }

  at("dream-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    stop();
    asking = new AbortController();
    const { signal } = asking;
    tellTrouble(at("dream-trouble"), null);
    at("dreamt").replaceChildren();
    tell(at("dream-busy"), () => t(BUSY_LONG));
    at("dream-stop").hidden = false;
    const layer = at("dream-layer").value;
    const asked = { octaves: at("dream-octaves").value, steps: at("dream-steps").value, frames: FRAMES };
    try {
      const answer = await explain({ method: "deepdream", layer, grading_id: grading.id, ...asked }, signal);
      const frames = (answer.frames ?? []).map((frame) => `data:image/png;base64,${frame}`);
      const alt = () => t("the photograph, with what the layer sees in it made stronger");
      if (frames.length) at("dreamt").replaceChildren(scrubber(frames, answer.objective ?? [], alt));
    } catch (error) {
      if (!signal.aborted) tellTrouble(at("dream-trouble"), problemOf(error));
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
      tellTrouble(at("dream-layers-trouble"), problemOf(error));
    }
  };
}
