// Every method that the model offers, as a form made from the service's catalogue.

import { ask, explain, inWords } from "./explain-api.js";
import { showResult } from "./explain-result.js";
import { words } from "./explain-words.js";

const at = (id) => document.getElementById(id);

/** Fetches the catalogue. Returns a function that is told the grading to explain (null where there is none). */
export function offerMethods() {
  let catalogue = null;
  let grading = null;
  let asking = null;
  const chosen = () => catalogue.methods.find(({ name }) => name === at("method").value);

  /** Calls off what is under way and clears what was drawn: a picture must never be taken for another method's. */
  function clear(text = "") {
    asking?.abort();
    asking = null;
    at("result").replaceChildren();
    at("method-trouble").textContent = "";
    at("method-busy").textContent = text;
  }

  function showMethod() {
    const method = chosen();
    at("layer-field").hidden = method.layers.length === 0;
    const layers = method.layers.map((name) => new Option(name, name, false, name === method.default_layer));
    at("layer").replaceChildren(...layers);
    at("target-field").hidden = !method.target;
    at("parameters").replaceChildren(...method.parameters.map(field));
    at("method-shows").textContent = words.shows[method.shows];
    at("method-shows").dataset.shows = method.shows;
    at("method-what").textContent = [method.what + ".", method.photograph ? "" : words.noPhotoNeeded].filter(Boolean).join(" ");
    at("method-source").textContent = words.source(method.source);
    at("method-about").hidden = false;
  }

  function settled() {
    const method = chosen();
    const parameters = Object.fromEntries(
      [...at("parameters").querySelectorAll("input, select")].map((input) => [input.name, input.value]),
    );
    return {
      method: method.name,
      layer: method.layers.length ? at("layer").value : null,
      target: method.target ? at("target").value : null,
      grading_id: method.photograph ? grading?.id : null,
      version: method.photograph ? null : catalogue.model.version,
      ...parameters,
    };
  }

  async function show() {
    const method = chosen();
    clear();
    if (method.photograph && !grading?.grade) return;
    asking = new AbortController();
    const { signal } = asking;
    at("method-busy").textContent = slow(method) ? words.busyLong : words.busy;
    try {
      const asked = settled();
      const answer = await explain(asked, signal);
      at("method-busy").textContent = "";
      // what the values are is known to the catalogue too
      showResult(at("result"), { ...answer, kind: answer.kind ?? method.kind }, asked, grading);
    } catch (error) {
      if (signal.aborted) return; // another was chosen meanwhile
      at("method-busy").textContent = "";
      at("method-trouble").textContent = inWords(error);
    }
  }

  /** Quick methods are shown as soon as they are chosen; one that may take a minute waits for its button. */
  const changed = () => (slow(chosen()) ? clear(words.pressShow) : show());

  at("method").addEventListener("change", () => {
    showMethod();
    changed();
  });
  at("layer").addEventListener("change", changed);
  at("target").addEventListener("change", changed);
  at("methods-form").addEventListener("submit", (event) => {
    event.preventDefault();
    show();
  });

  async function load() {
    try {
      catalogue = await ask("/v1/explain/methods");
    } catch (error) {
      at("methods-trouble").textContent = inWords(error);
      return;
    }
    at("method").replaceChildren(
      ...["reasons", "features"].map((shows) => {
        const group = document.createElement("optgroup");
        group.label = words.shows[shows];
        group.append(...catalogue.methods.filter((method) => method.shows === shows).map(({ name }) => new Option(name, name)));
        return group;
      }),
    );
    at("methods-form").hidden = catalogue.methods.length === 0;
    if (!catalogue.methods.length) return;
    showMethod();
    if (grading) showTargets();
  }

  function showTargets() {
    const grades = Object.keys(grading.probabilities ?? {});
    at("target").replaceChildren(...grades.map((grade) => new Option(grade, grade, false, grade === grading.grade)));
  }

  load();
  return (next) => {
    grading = next;
    clear();
    if (grading) showTargets();
  };
}

/** Whether a method makes a picture step by step. */
function slow(method) {
  return method.kind === "image";
}

/** One parameter as a form field with its bounds. */
function field(parameter) {
  const label = document.createElement("label");
  label.className = "field";
  const what = document.createElement("span");
  what.className = "quiet what";
  what.textContent = [parameter.what, parameter.least === undefined || parameter.least === null ? "" : words.range(parameter.least, parameter.most)].filter(Boolean).join(" · ");
  let input;
  if (parameter.kind === "choice") {
    input = document.createElement("select");
    input.append(...parameter.choices.map((choice) => new Option(choice, choice, false, choice === parameter.default)));
  } else {
    input = document.createElement("input");
    input.type = parameter.kind === "text" ? "text" : "number";
    input.value = parameter.default;
    if (parameter.kind !== "text") {
      input.min = parameter.least;
      input.max = parameter.most;
      input.step = parameter.kind === "int" ? "1" : "any";
      input.required = true;
    }
  }
  input.name = parameter.name;
  label.append(words.parameter(parameter.name), input, what);
  return label;
}
