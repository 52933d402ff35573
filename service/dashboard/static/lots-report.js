// The report: what to count by, of which time and place. All of it is in the address, so that it can be kept, sent and gone back to.

import { all, ask, query } from "./api.js";
import { at, make, sign } from "./dom.js";
import { number, onLanguage, say, t } from "./i18n.js";
import { GRADES } from "./fruit.js";
import { named } from "./lots-pick.js";
import { reportTable, title } from "./lots-table.js";
import { dateIn, dayIn, later, minuteIn, periods, startOf } from "./lots-time.js";

const WAYS = ["lot", "grower", "line", "shift", "day"];
const FILTERS = ["line", "lot", "grower"];
const WAIT_MS = 30_000;
const root = document.documentElement.dataset.root;

/** `farm` is { name, time_zone, … }, and may become known later. Returns { load }: asks again. */
export function openReport(farm) {
  let zone = farm.time_zone;
  const form = at("report-form");
  const place = at("report-rows");
  let wanted = fromAddress();
  let shown = null; // { report, wanted, at }: what the service said, what it was asked and when
  let wrong = null; // the problem of the last question
  let asking = null;
  let pressed = "week";

  function fromAddress() {
    const given = new URLSearchParams(location.search);
    const [since, until] = [given.get("since"), given.get("until")].map((each) => (Number.isNaN(Date.parse(each)) ? null : each));
    const by = WAYS.includes(given.get("by")) ? given.get("by") : "lot";
    const filters = Object.fromEntries(FILTERS.map((name) => [name, given.get(name) || null]));
    return { by, since: since ?? (until ? null : begin(periods(zone).week)), until, ...filters };
  }

  function begin(date) {
    return new Date(startOf(zone, date)).toISOString();
  }

  function change(parts) {
    wanted = { ...wanted, ...parts };
    history.pushState(null, "", location.pathname + query(wanted));
    load();
  }

  async function load() {
    asking?.abort();
    const mine = (asking = new AbortController());
    place.setAttribute("aria-busy", "true");
    showChoices();
    const question = wanted;
    try {
      const report = await ask(`/v1/report${query(question)}`, { signal: mine.signal, waitMs: WAIT_MS });
      if (mine !== asking) return;
      [shown, wrong] = [{ report, wanted: question, at: Date.now() }, null];
    } catch (problem) {
      if (mine !== asking) return;
      wrong = problem;
      if (shown?.wanted !== question) shown = null; // the figures of another question would pass for this one's
    }
    place.setAttribute("aria-busy", "false");
    draw();
  }

  function showChoices() {
    const first = periods(zone);
    const same = Object.keys(first).filter((each) => !wanted.until && Date.parse(wanted.since) === startOf(zone, first[each]));
    const period = same.includes(pressed) ? pressed : same[0]; // on a Monday today is the week
    for (const tab of form.querySelectorAll("[data-by]")) tab.setAttribute("aria-pressed", String(tab.dataset.by === wanted.by));
    for (const button of form.querySelectorAll("[data-period]")) {
      button.setAttribute("aria-pressed", String(button.dataset.period === period));
    }
    put(form.elements.from, wanted.since ? dateIn(zone, Date.parse(wanted.since)) : "");
    put(form.elements.to, wanted.until ? dateIn(zone, Date.parse(wanted.until) - 1) : "");
    for (const name of ["line", "grower"]) choose(form.elements[name], wanted[name]);
    at("report-lot").hidden = !wanted.lot;
    if (wanted.lot) at("report-lot").querySelector("[translate]").textContent = wanted.lot;
    at("report-csv").href = `${root}/v1/report${query({ ...wanted, format: "csv" })}`;
  }

  /** A date that is being typed stays as it is: what would be put there again takes the half-typed part away. */
  function put(field, date) {
    if (field.value !== date || field !== document.activeElement) field.value = date;
  }

  function choose(select, value) {
    if (value && ![...select.options].some((option) => option.value === value)) select.append(optionOf(value));
    select.value = value ?? "";
  }

  function draw() {
    at("report-trouble").replaceChildren(wrong ? (wrong.words?.() ?? String(wrong)) : "");
    if (!shown && !wrong) return; // the first answer is under way
    const report = shown?.report;
    const some = Boolean(report?.rows.length);
    at("report-head").replaceChildren(...(report ? printHead() : []));
    place.replaceChildren(...(some ? [reportTable(report, shown.wanted, zone)] : report ? [nothing()] : []));
    at("report-more").hidden = !some;
    at("report-truncated").hidden = !report?.truncated;
    at("report-rounded").hidden = !some || report.rows.every((row) => row.exact);
    if (some) drawEstimates(report.estimates);
  }

  function nothing() {
    const season = () => change({ since: begin(periods(zone).season), until: null, line: null, lot: null, grower: null });
    return make(
      "div",
      { class: "nothing" },
      sign("page-lots"),
      make("h3", {}, t("No fruit in this time")),
      make("p", {}, t("Choose a longer time, or look at the last twelve months.")),
      make("button", { type: "button", class: "button main", onclick: season }, t("The last twelve months")),
    );
  }

  /** What a page of paper has to say that the screen shows in buttons. */
  function printHead() {
    const { wanted, at: counted } = shown;
    const from = wanted.since ? dayIn(zone, wanted.since) : t("the beginning");
    const to = dayIn(zone, wanted.until ? Date.parse(wanted.until) - 1 : counted);
    const only = FILTERS.filter((name) => wanted[name]).map((name) =>
      make("p", {}, { line: t("Line"), lot: t("Lot"), grower: t("Grower") }[name], ": ", named(wanted[name])),
    );
    return [
      make("h2", {}, title(wanted.by)),
      farm.name ? make("p", { translate: "no" }, farm.name) : null,
      make("p", {}, t("{from} to {to}", { from, to })),
      ...only,
      make("p", {}, t("Counted {when}. kg and yen are estimates.", { when: minuteIn(zone, counted) })),
    ].filter(Boolean);
  }

  function drawEstimates({ grams_per_fruit: grams, yen_per_fruit: yen }) {
    const line = (word, values, digits) =>
      make("tr", {}, make("th", { scope: "row" }, word), GRADES.map((grade) => make("td", { class: "number" }, number(values[grade], digits))));
    const fraction = (values) => (GRADES.some((grade) => values[grade] % 1) ? 1 : 0);
    at("report-weights").replaceChildren(
      make("thead", {}, make("tr", {}, make("td"), GRADES.map((grade) => make("th", { scope: "col", class: "number" }, grade)))),
      make("tbody", {}, line(t("g a fruit"), grams, fraction(grams)), line(t("yen a fruit"), yen, fraction(yen))),
    );
  }

  const optionOf = (name) => make("option", { value: name, translate: "no" }, name);

  /** The lines and growers to choose from; without them the report still stands. */
  async function fillChoices() {
    await Promise.all(["line", "grower"].map((name) => fill(name).catch((problem) => (problem.words ? null : Promise.reject(problem)))));
  }

  async function fill(name) {
    const found = await all(`/v1/${name}s`, `${name}s`);
    const select = form.elements[name];
    select.replaceChildren(select.options[0], ...found.map((one) => optionOf(one.name)));
    choose(select, wanted[name]);
  }

  /** Asks again; by the farm's clock, where that was not known before. */
  async function again() {
    if (zone !== farm.time_zone) {
      zone = farm.time_zone;
      sayZone();
      if (!location.search) wanted = fromAddress(); // this week began by the tablet's clock
    }
    await Promise.all([load(), fillChoices()]);
  }

  const sayZone = () => say(at("report-zone"), "Days and shifts are those of the farm (`{zone}`).", { zone });

  for (const tab of form.querySelectorAll("[data-by]")) tab.addEventListener("click", () => change({ by: tab.dataset.by }));
  for (const button of form.querySelectorAll("[data-period]"))
    button.addEventListener("click", () => {
      pressed = button.dataset.period;
      change({ since: begin(periods(zone)[pressed]), until: null });
    });
  // of a year that is being typed the browser gives each digit as a date: those are out of the field's bounds
  form.elements.from.addEventListener("change", ({ target }) => target.validity.valid && change({ since: target.value ? begin(target.value) : null }));
  form.elements.to.addEventListener(
    "change",
    ({ target }) => target.validity.valid && change({ until: target.value ? begin(later(target.value, 1)) : null }),
  );
  for (const name of ["line", "grower"]) form.elements[name].addEventListener("change", ({ target }) => change({ [name]: target.value || null }));
  at("report-lot").querySelector("button").addEventListener("click", () => change({ lot: null }));
  at("report-counts").addEventListener("change", ({ target }) => (at("report").dataset.counts = target.checked ? "yes" : "no"));
  at("report-print").addEventListener("click", () => window.print());
  form.addEventListener("submit", (event) => event.preventDefault());
  window.addEventListener("popstate", () => {
    wanted = fromAddress();
    load();
  });
  onLanguage(draw);
  sayZone();
  return { load: again };
}
