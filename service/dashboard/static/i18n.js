// The language of the page. English texts are the keys; the catalogue of another language is fetched as JSON, and the page
// changes in place: each element that says something carries its key. `**strong**` and `code in backticks` become elements.

const html = document.documentElement;
const root = html.dataset.root;
const COOKIE = "senka_language";
const YEAR_S = 31_536_000;
const ATTRIBUTES = ["aria-label", "placeholder", "title", "alt"];

export const LANGUAGES = ["en", "ja"];
const catalogues = new Map([["en", {}]]);
const redraws = new Set();

async function fetched(language) {
  if (!catalogues.has(language)) {
    try {
      const answer = await fetch(`${root}/words/${language}/${html.dataset.domain}`, { signal: AbortSignal.timeout(4_000) });
      if (answer.ok) catalogues.set(language, await answer.json());
    } catch {
      // the line is away: what the page says already stays as it is, and the next try may succeed
    }
  }
  return catalogues.get(language);
}

let catalogue = (await fetched(html.lang)) ?? {};
if (!catalogues.has(html.lang)) {
  // half of the page would stay English: as soon as the service is there, the other half comes
  document.addEventListener("senka:link", (event) => event.detail === "open" && !catalogues.has(html.lang) && switchTo(html.lang));
}

export const language = () => html.lang;

/** The text in the page's language; `{name}` stands for a value. */
export function t(key, values = {}) {
  return filled([catalogue[key] ?? key].flat().at(-1), values);
}

/** The text for a number of things, which is `{count}` in it. */
export function tn(count, one, many, values = {}) {
  const found = catalogue[one];
  const text = found ? [found].flat().at(-1) : count === 1 ? one : many;
  return filled(text, { count: number(count), ...values });
}

/** A text that `t` is given later: here so that it gets into the catalogues. */
export const mark = (key) => key;

function filled(text, values) {
  return text.replace(/\{(\w+)\}/g, (whole, name) => (name in values ? String(values[name]) : whole));
}

/** Puts a text on an element, in the language of the moment and in later ones. */
export function say(element, key, values) {
  if (values && Object.keys(values).length) element.dataset.v = JSON.stringify(values);
  else delete element.dataset.v;
  element.dataset.t = key;
  render(element);
}

/** As `say`, for an attribute: `label(button, "aria-label", "Close")`. */
export function label(element, attribute, key, values) {
  element.setAttribute(`data-t-${attribute}`, key);
  if (values) element.setAttribute(`data-v-${attribute}`, JSON.stringify(values));
  renderAttribute(element, attribute);
}

/** Text with `code` and **strong** as nodes. */
export function nodes(text) {
  return text
    .split(/(`[^`]+`|\*\*[^*]+\*\*)/)
    .filter(Boolean)
    .map((part) => {
      const tag = part.startsWith("`") ? "code" : part.startsWith("**") ? "strong" : null;
      if (!tag) return document.createTextNode(part);
      const element = document.createElement(tag);
      element.textContent = part.slice(tag === "code" ? 1 : 2, tag === "code" ? -1 : -2);
      return element;
    });
}

function render(element) {
  const text = t(element.dataset.t, element.dataset.v ? JSON.parse(element.dataset.v) : {});
  if (element === document.querySelector("title")) document.title = `${text} · Senka`;
  else element.replaceChildren(...nodes(text));
}

function renderAttribute(element, attribute) {
  const values = element.getAttribute(`data-v-${attribute}`);
  element.setAttribute(attribute, t(element.getAttribute(`data-t-${attribute}`), values ? JSON.parse(values) : {}));
}

/** Call `redraw` whenever the language changes: for what was drawn with `t` and with figures. */
export function onLanguage(redraw) {
  redraws.add(redraw);
}

/** Changes the language of this page and of this device. Without a reload: what is typed and shown stays. */
export async function switchTo(wanted) {
  const found = await fetched(wanted);
  if (!found) return;
  catalogue = found;
  html.lang = wanted;
  const secure = location.protocol === "https:" ? "; Secure" : "";
  document.cookie = `${COOKIE}=${wanted}; Path=${root || "/"}; Max-Age=${YEAR_S}; SameSite=Lax${secure}`;
  // templates are copied later, and show what they have then
  const places = [document, ...[...document.querySelectorAll("template")].map((each) => each.content)];
  for (const place of places) {
    place.querySelectorAll("[data-t]").forEach(render);
    for (const name of ATTRIBUTES) place.querySelectorAll(`[data-t-${name}]`).forEach((each) => renderAttribute(each, name));
  }
  for (const redraw of redraws) {
    try {
      redraw();
    } catch (error) {
      reportError(error); // the rest of the page changes all the same
    }
  }
}

// figures and moments

const made = new Map();
function format(kind, options) {
  const key = `${html.lang} ${kind.name} ${JSON.stringify(options)}`;
  if (!made.has(key)) made.set(key, new kind(html.lang, options));
  return made.get(key);
}

/** 12345 -> "12,345" */
export const number = (value, digits = 0) =>
  format(Intl.NumberFormat, { maximumFractionDigits: digits, minimumFractionDigits: digits }).format(value);

/** 0.914 -> "91 %" in English, "91%" in Japanese */
export function percent(share, digits = 0) {
  const text = number(share * 100, digits);
  return html.lang === "ja" ? `${text}%` : `${text}\u00a0%`; // a space that does not break
}

/** A moment (ms or RFC 3339) -> "14:02:09" by this tablet's clock. */
export const clock = (moment, seconds = true) =>
  format(Intl.DateTimeFormat, { hour: "2-digit", minute: "2-digit", ...(seconds && { second: "2-digit" }), hourCycle: "h23" }).format(
    new Date(moment),
  );

/** A moment -> "29 Nov 2026", "2026年11月29日". */
export const day = (moment, options = { dateStyle: "medium" }) => format(Intl.DateTimeFormat, options).format(new Date(moment));

/** A moment -> the time of day, with the date where that is not today. */
export function moment(at) {
  const today = new Date(at).toDateString() === new Date().toDateString();
  return today ? clock(at, false) : `${day(at)} ${clock(at, false)}`;
}

/** Milliseconds -> "2 s", "3 min", "1 h 5 min", "2 days": as coarse as a glance needs. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return t("{count} s", { count: seconds });
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return t("{count} min", { count: minutes });
  const hours = Math.floor(minutes / 60);
  if (hours < 24) return t("{hours} h {minutes} min", { hours, minutes: minutes % 60 });
  return tn(Math.floor(hours / 24), "{count} day", "{count} days");
}
