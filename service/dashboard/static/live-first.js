// From nothing to the first grading: which steps are done.

import { ask } from "./api.js";
import { at } from "./dom.js";

export function firstSteps() {
  let camera = null;

  return async (health) => {
    at("first-model").dataset.done = health === "model_not_ready" ? "no" : "yes";
    if (camera === null) {
      camera = ask("/v1/cameras?limit=1").then(({ cameras }) => cameras.length > 0);
      camera.catch(() => (camera = null)); // asked again with the next sign of life
    }
    at("first-camera").dataset.done = (await camera.catch(() => false)) ? "yes" : "no";
  };
}
