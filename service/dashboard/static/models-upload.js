// A zip on its way to the service. fetch does not tell how much has been sent, so this is XMLHttpRequest.

import { Problem, query } from "./api.js";
import { csrfHeaders, recognised } from "./session.js";

const root = document.documentElement.dataset.root;

/**
 * Sends the file as a batch; `advance(share)` hears how much is there, 0 to 1. Returns { done, stop, running }: `done` is the
 * intake's report, which rejects with a Problem, or with null once it was stopped.
 */
export function sendBatch(file, name, advance) {
  const request = new XMLHttpRequest();
  request.open("POST", `${root}/v1/batches${query({ name })}`);
  request.setRequestHeader("Content-Type", "application/zip");
  for (const [header, value] of Object.entries(csrfHeaders())) request.setRequestHeader(header, value);
  request.upload.addEventListener("progress", ({ loaded, total }) => total && advance(loaded / total));
  const done = new Promise((resolve, reject) => {
    request.addEventListener("load", () => {
      recognised(request);
      const found = parsed(request.responseText);
      if (request.status === 201 && found) return resolve(found);
      const { code = "internal_error", detail = "", ...facts } = found ?? {};
      reject(new Problem(request.status, code, detail, facts));
    });
    request.addEventListener("error", () => reject(new Problem(0, "unreachable", "")));
    request.addEventListener("abort", () => reject(null));
  });
  request.send(file);
  return { done, stop: () => request.abort(), running: () => request.readyState !== XMLHttpRequest.DONE };
}

function parsed(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null; // a proxy's page rather than the service's answer
  }
}
