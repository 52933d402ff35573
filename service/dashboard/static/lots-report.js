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

/** `farm` is { name, time_zone, … }. Returns { load }: asks again. */
export function openReport(farm) {
  const zone = farm.time_zone;
  const form = at("report-form");
  const place = at("report-rows");
  let wanted = fromAddress();
  let report = null;
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
    try {
      report = await ask(`/v1/report${query(wanted)}`, { signal: mine.signal, waitMs: WAIT_MS });
      if (mine.signal.aborted) return;
      at("report-trouble").replaceChildren();
      draw();
    } catch (problem) {
      if (mine.signal.aborted) return;
      at("report-trouble").replaceChildren(problem.words?.() ?? String(problem));
    }
    place.setAttribute("aria-busy", "false");
  }

  function showChoices() {
    const first = periods(zone);
    const same = Object.keys(first).filter((each) => !wanted.until && Date.parse(wanted.since) === startOf(zone, first[each]));
    const period = same.includes(pressed) ? pressed : same[0]; // on a Monday today is the week
    for (const tab of form.querySelectorAll("[data-by]")) tab.setAttribute("aria-pressed", String(tab.dataset.by === wanted.by));
    for (const button of form.querySelectorAll("[data-period]")) {
      button.setAttribute("aria-pressed", String(button.dataset.period === period));
    }
    form.elements.from.value = wanted.since ? dateIn(zone, Date.parse(wanted.since)) : "";
    form.elements.to.value = wanted.until ? dateIn(zone, Date.parse(wanted.until) - 1) : "";
    for (const name of ["line", "grower"]) choose(form.elements[name], wanted[name]);
    at("report-lot").hidden = !wanted.lot;
    if (wanted.lot) at("report-lot").querySelector("[translate]").textContent = wanted.lot;
    at("report-csv").href = `${root}/v1/report${query({ ...wanted, format: "csv" })}`;
  }

  function choose(select, value) {
    if (value && ![...select.options].some((option) => option.value === value)) select.append(optionOf(value));
    select.value = value ?? "";
  }

  function draw() {
    if (!report) return;
    at("report-head").replaceChildren(...printHead());
    const some = report.rows.length > 0;
    place.replaceChildren(some ? reportTable(report, wanted, zone) : nothing());
    at("report-more").hidden = !some;
    at("report-truncated").hidden = !report.truncated;
    at("report-rounded").hidden = report.rows.every((row) => row.exact);
    drawEstimates(report.estimates);
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
    const from = wanted.since ? dayIn(zone, wanted.since) : t("the beginning");
    const to = dayIn(zone, wanted.until ? Date.parse(wanted.until) - 1 : Date.now());
    const only = FILTERS.filter((name) => wanted[name]).map((name) =>
      make("p", {}, { line: t("Line"), lot: t("Lot"), grower: t("Grower") }[name], ": ", named(wanted[name])),
    );
    return [
      make("h2", {}, title(wanted.by)),
      farm.name ? make("p", { translate: "no" }, farm.name) : null,
      make("p", {}, t("{from} to {to}", { from, to })),
      ...only,
      make("p", {}, t("Counted {when}. kg and yen are estimates.", { when: minuteIn(zone, Date.now()) })),
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
    const [lines, growers] = await Promise.all([all("/v1/lines", "lines"), all("/v1/growers", "growers")]);
    for (const [name, found] of [["line", lines], ["grower", growers]]) {
      const select = form.elements[name];
      select.replaceChildren(select.options[0], ...found.map((one) => optionOf(one.name)));
      choose(select, wanted[name]);
    }
  }

  for (const tab of form.querySelectorAll("[data-by]")) tab.addEventListener("click", () => change({ by: tab.dataset.by }));
  for (const button of form.querySelectorAll("[data-period]"))
    button.addEventListener("click", () => {
      pressed = button.dataset.period;
      change({ since: begin(periods(zone)[pressed]), until: null });
    });
  form.elements.from.addEventListener("change", ({ target }) => change({ since: target.value ? begin(target.value) : null }));
  form.elements.to.addEventListener("change", ({ target }) => change({ until: target.value ? begin(later(target.value, 1)) : null }));
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
  say(at("report-zone"), "Days and shifts are those of the farm (`{zone}`).", { zone });
  return { load: () => Promise.all([load(), fillChoices()]) };
}
