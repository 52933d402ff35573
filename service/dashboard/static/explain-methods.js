// Every method that the model offers, as a form made from the service's catalogue.

import { at, make } from "./dom.js";
import { ask, explain, problemOf } from "./explain-api.js";
import { keyOf, SHOWS } from "./explain-catalogue.js";
import { showResult } from "./explain-result.js";
import { beside, sentences, tell, tellAttribute, tellTrouble } from "./explain-say.js";
import { BUSY, BUSY_LONG } from "./explain-words.js";
import { number, t } from "./i18n.js";

/** Fetches the catalogue. Returns a function that is told the grading to explain (null where there is none). */
export function offerMethods() {
  let catalogue = null;
  let grading = null;
  let asking = null;
  const chosen = () => catalogue.methods.find(({ name }) => name === at("method").value);

  /** Calls off what is under way and clears what was drawn: a picture must never be taken for another method's. */
  function clear(compose = null) {
    asking?.abort();
    asking = null;
    at("result").replaceChildren();
    tellTrouble(at("method-trouble"), null);
    tell(at("method-busy"), compose);
  }

  function showMethod() {
    const method = chosen();
    at("layer-field").hidden = method.layers.length === 0;
    const layers = method.layers.map((name) => new Option(name, name, false, name === method.default_layer));
    at("layer").replaceChildren(...layers);
    at("target-field").hidden = !method.target;
    at("parameters").replaceChildren(...method.parameters.map(field));
    tell(at("method-shows"), () => t(SHOWS[method.shows]));
    at("method-shows").dataset.shows = method.shows;
    described(at("method-what"), method.what, (what) =>
      sentences(t("{what}.", { what }), method.photograph ? "" : t("This needs no photograph.")),
    );
    at("method-source").textContent = method.source;
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
    tell(at("method-busy"), () => t(slow(method) ? BUSY_LONG : BUSY));
    try {
      const asked = settled();
      const answer = await explain(asked, signal);
      tell(at("method-busy"), null);
      // what the values are is known to the catalogue too
      showResult(at("result"), { ...answer, kind: answer.kind ?? method.kind }, asked, grading);
    } catch (error) {
      if (signal.aborted) return; // another was chosen meanwhile
      tell(at("method-busy"), null);
      tellTrouble(at("method-trouble"), problemOf(error));
    }
  }

  /** Quick methods are shown as soon as they are chosen; one that may take a minute waits for its button. */
  const changed = () => (slow(chosen()) ? clear(() => t("This takes a while: press “Show”.")) : show());

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
      tellTrouble(at("methods-trouble"), problemOf(error));
      return;
    }
    at("method").replaceChildren(
      ...["reasons", "features"].map((shows) => {
        const methods = catalogue.methods.filter((method) => method.shows === shows);
        const group = make("optgroup", {}, methods.map(({ name }) => new Option(name, name)));
        tellAttribute(group, "label", () => t(SHOWS[shows]));
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

/** What the service's catalogue says of a method or parameter, translated where the page knows it. */
function described(element, what, compose = (text) => text) {
  const key = keyOf(what);
  if (key) element.removeAttribute("lang");
  else element.lang = "en";
  tell(element, () => compose(key ? t(key) : what));
}

/** One parameter as a form field with its bounds. */
function field(parameter) {
  const name = make("span");
  tell(name, () => (parameter.name.endsWith("_px") ? t("`{name}` (pixels)", { name: nameOf(parameter) }) : `\`${nameOf(parameter)}\``));
  const what = make("span", { class: "hint" });
  described(what, parameter.what, (text) => beside(text, boundsOf(parameter)));
  return make("label", { class: "field" }, name, inputOf(parameter), what);
}

const nameOf = ({ name }) => name.replace(/_px$/, "").replaceAll("_", " ");

function boundsOf({ least, most }) {
  if (least === undefined || least === null) return "";
  const short = (value) => number(value, Number.isInteger(value) ? 0 : 2);
  return t("{least} to {most}", { least: short(least), most: short(most) });
}

function inputOf({ name, kind, choices, default: usual, least, most }) {
  if (kind === "choice") return make("select", { name, translate: "no" }, choices.map((choice) => new Option(choice, choice, false, choice === usual)));
  if (kind === "text") return make("input", { name, type: "text", value: usual });
  return make("input", { name, type: "number", value: usual, min: least, max: most, step: kind === "int" ? "1" : "any", required: true });
}
