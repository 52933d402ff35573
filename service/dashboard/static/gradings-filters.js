// The filters: quick choices of time, a form that folds away, and the filters in use as buttons that take them away.

import { all, ask } from "./api.js";
import { at, make } from "./dom.js";
import { FILTERS } from "./gradings-address.js";
import { gradeWord } from "./fruit.js";
import { clock, day, mark, onLanguage, percent, t } from "./i18n.js";

const NAMES = {
  since: mark("From"),
  until: mark("To"),
  line: mark("Line"),
  lot: mark("Lot"),
  camera: mark("Camera"),
  grade: mark("Grade"),
  lane: mark("Lane"),
  max_confidence: mark("Confidence, % at most"),
  model: mark("Model"),
  corrected: mark("Correction"),
};
const CORRECTED = { true: mark("corrected"), false: mark("not corrected") };
const TIMES = ["since", "until"];
const NAMED = ["line", "lot", "camera"];
const MOST_LOTS = 1000;
const WIDE = "(min-width: 1200px)";

/** Shows the filters; `changed(asked, amends)` is told what a person chose, and whether that goes on with the last. Gives { show(asked) }. */
export function filterForm(changed) {
  const form = at("filters");
  const offered = { line: [], camera: [], model: [] };
  let asked = null;

  const fold = (open) => {
    form.hidden = !open;
    at("fold").setAttribute("aria-expanded", String(open));
    drawChosen();
  };
  at("fold").addEventListener("click", () => fold(form.hidden));
  form.addEventListener("submit", (event) => event.preventDefault());
  let typing = null; // the time that is being typed: a change for each key, which are one choice
  form.addEventListener("change", ({ target }) => {
    const time = TIMES.includes(target.name);
    if (time && !target.validity.valid) return; // "2" of a year that is on its way to "2026"
    const amends = target === typing;
    typing = time ? target : null;
    changed({ ...asked, ...read(form, asked) }, amends);
  });
  form.addEventListener("focusout", () => (typing = null));
  for (const button of at("spans").querySelectorAll("button"))
    button.addEventListener("click", () => changed({ ...asked, span: button.value, since: "", until: "" }));

  function fillSelects() {
    for (const name of Object.keys(offered)) {
      const wanted = asked?.[name] ?? "";
      // what the address asks for can be chosen even where the service knows of no such thing
      const choices = offered[name].some(([value]) => value === wanted) || !wanted ? offered[name] : [...offered[name], [wanted, wanted]];
      form.elements[name].replaceChildren(
        make("option", { value: "", translate: "yes" }, t("Any")),
        ...choices.map(([value, words]) => make("option", { value, translate: name === "model" ? null : "no" }, typeof words === "function" ? words() : words)),
      );
      form.elements[name].value = wanted;
    }
  }

  function drawChosen() {
    const used = asked ? FILTERS.filter((name) => asked[name] !== "") : [];
    at("chosen").hidden = !form.hidden || !used.length;
    at("chosen").replaceChildren(
      ...used.map((name, place) => {
        const value = make("span", { translate: NAMED.includes(name) ? "no" : null }, valueWords(name, asked[name]));
        const words = [make("span", {}, t(NAMES[name])), value, make("span", { "aria-hidden": "true" }, "✕"), make("span", { class: "unseen" }, t("take away"))];
        return make("li", {}, make("button", { type: "button", class: "button", onclick: () => takeAway(name, place) }, words));
      }),
    );
  }

  /** The next one takes the focus: the button that was pressed is gone. */
  function takeAway(name, place) {
    changed({ ...asked, [name]: "" });
    const left = at("chosen").querySelectorAll("button");
    (left[Math.min(place, left.length - 1)] ?? at("fold")).focus();
  }

  function show(now) {
    asked = now;
    fillSelects();
    for (const name of FILTERS) if (!(name in offered)) put(form.elements[name], inField(name, asked[name]));
    const given = asked.span || (asked.since || asked.until ? null : "");
    for (const button of at("spans").querySelectorAll("button")) button.setAttribute("aria-pressed", String(button.value === given));
    drawChosen();
  }

  async function offer(name, asking) {
    offered[name] = await asking;
    fillSelects();
  }
  // a list that does not come leaves its field with what the address has: the search itself says what is wrong
  const named = async (name) => (await all(`/v1/${name}s`, `${name}s`)).map((each) => [each.name, each.name]);
  offer("line", named("line")).catch(() => {});
  offer("camera", named("camera")).catch(() => {});
  offer("model", versions()).catch(() => {});
  all("/v1/lots", "lots", MOST_LOTS)
    .then((lots) => at("lots").replaceChildren(...lots.map((lot) => make("option", { value: lot.name }))))
    .catch(() => {});
  onLanguage(() => show(asked));
  fold(matchMedia(WIDE).matches);
  return { show };
}

/** What is being typed stays as it is: putting the same there again takes a half-typed part away. */
function put(field, value) {
  if (field.value !== value || field !== document.activeElement) field.value = value;
}

async function versions() {
  const { champion, versions: found } = await ask("/v1/models");
  const words = (version) => (version === champion ? t("version {version}, in use", { version }) : t("version {version}", { version }));
  return found.map(({ version }) => [String(version), () => words(version)]).reverse();
}

/** What the form says; a time that was not touched stays exact to the millisecond. */
function read(form, before) {
  const found = {};
  for (const name of FILTERS) {
    const value = form.elements[name].value.trim();
    if (value === inField(name, before[name])) found[name] = before[name];
    else if (TIMES.includes(name)) found[name] = value ? new Date(value).toISOString() : "";
    else if (name === "max_confidence") found[name] = value === "" ? "" : String(Math.min(100, Math.max(0, Math.round(Number(value)))) / 100);
    else found[name] = value;
  }
  return { ...found, span: found.since || found.until ? "" : before.span };
}

function inField(name, value) {
  if (!value) return "";
  if (name === "max_confidence") return String(Math.round(Number(value) * 100));
  if (!TIMES.includes(name)) return value;
  const moment = new Date(value);
  if (Number.isNaN(moment.getTime())) return "";
  const two = (part) => String(part).padStart(2, "0");
  const date = [moment.getFullYear(), two(moment.getMonth() + 1), two(moment.getDate())].join("-");
  return `${date}T${two(moment.getHours())}:${two(moment.getMinutes())}`;
}

function valueWords(name, value) {
  if (name === "corrected") return CORRECTED[value] ? t(CORRECTED[value]) : value;
  if (name === "lane" && value === "manual") return t("manual lane");
  if (name === "grade" || name === "lane") return gradeWord(value);
  if (name === "max_confidence" && !Number.isNaN(Number(value))) return percent(Number(value));
  if (TIMES.includes(name) && !Number.isNaN(Date.parse(value))) return `${day(value)} ${clock(value, false)}`;
  return value;
}
