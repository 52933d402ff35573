// The report as a table: a group of rows for each lot, grower, line, shift or day. On a phone the groups become cards.

import { query } from "./api.js";
import { make } from "./dom.js";
import { number, percent, t, tn } from "./i18n.js";
import { gradeBar } from "./lots-bar.js";
import { named } from "./lots-pick.js";
import { dayIn, spanIn, timeIn } from "./lots-time.js";

const root = document.documentElement.dataset.root;

/** `wanted` is what was asked for: { by, since, until, line, lot, grower }. */
export function reportTable(report, wanted, zone) {
  const columns = [t("Fruit"), t("about kg"), t("about yen"), t("Manual"), t("Corrected"), t("Model")];
  const head = make(
    "thead",
    { role: "rowgroup" },
    make(
      "tr",
      { role: "row" },
      make("th", { scope: "col", role: "columnheader" }, keyWord(wanted.by)),
      columns.map((word) => make("th", { scope: "col", role: "columnheader", class: "number" }, word)),
    ),
  );
  const groups = report.rows.map((row) => group(row, keyOf(row, wanted, zone), columns));
  const sum = group(report.total, [make("b", {}, t("All of it")), make("span", { class: "quiet" }, rowsWord(wanted.by, report.rows.length))], columns, "sum");
  return make("table", { class: "table report-table", role: "table", "aria-labelledby": "report-title" }, head, sum, groups);
}

function group(row, key, columns, kind = "one") {
  const share = (count, part) => [number(count), " ", make("span", { class: "quiet" }, percent(part, part && part < 0.1 ? 1 : 0))];
  const figures = [
    number(row.total),
    number(row.kg, row.kg < 100 ? 1 : 0),
    number(row.yen),
    share(row.manual, row.manual_share),
    share(row.corrections, row.corrected_share),
    row.models?.length ? row.models.map((version) => number(version)).join(", ") : "–",
  ];
  const cell = (content, index) => make("td", { class: "number", role: "cell", "data-label": columns[index] }, content);
  return make(
    "tbody",
    { class: kind, role: "rowgroup" },
    make(
      "tr",
      { role: "row" },
      make("th", { scope: "rowgroup", role: "rowheader", rowspan: row.total ? 2 : 1 }, make("div", { class: "key" }, key)),
      figures.map(cell),
    ),
    row.total ? make("tr", { role: "row" }, make("td", { colspan: columns.length, role: "cell", class: "bar-cell" }, gradeBar(row))) : null,
  );
}

function keyWord(by) {
  return { lot: t("Lot"), grower: t("Grower"), line: t("Line"), shift: t("Shift"), day: t("Day") }[by];
}

export function title(by) {
  return {
    lot: t("Report by lot"),
    grower: t("Report by grower"),
    line: t("Report by line"),
    shift: t("Report by shift"),
    day: t("Report by day"),
  }[by];
}

function rowsWord(by, count) {
  if (by === "lot") return tn(count, "{count} lot", "{count} lots");
  if (by === "grower") return tn(count, "{count} grower", "{count} growers");
  if (by === "line") return tn(count, "{count} line", "{count} lines");
  if (by === "shift") return tn(count, "{count} shift", "{count} shifts");
  return tn(count, "{count} day", "{count} days");
}

const MISSING = { lot: () => t("without a lot"), grower: () => t("no grower known"), line: () => t("no line named") };

/** What a row is about, with the way to its gradings (a grower's: to its lots), and when they came. */
function keyOf(row, wanted, zone) {
  const times = wanted.by === "day" || wanted.by === "shift";
  const seen = row.first_received_at ? spanIn(zone, row.first_received_at, row.last_received_at) : null;
  const whole = !row.key ? MISSING[wanted.by]() : times ? timeOf(row, wanted.by, zone) : named(row.key);
  const href = linkOf(row, wanted);
  const about = row.exact ? null : " ≈";
  return [
    href ? make("a", { href }, whole, about) : make("b", {}, whole, about),
    wanted.by === "lot" && row.grower ? named(row.grower, { class: "quiet" }) : null,
    times || !seen ? null : make("span", { class: "quiet" }, seen),
  ];
}

function timeOf(row, by, zone) {
  const [date, start, end] = [dayIn(zone, row.key), timeIn(zone, row.key), timeIn(zone, row.until)];
  return by === "day" || start === end ? date : `${date} ${start} – ${end}`; // where there is one shift, it is the day
}

function linkOf(row, { by, since, until, line, lot, grower }) {
  if (!row.key) return null; // gradings can be asked for by a name, not by its lack
  if (grower && by !== "lot" && by !== "grower") return null; // nor by a grower: there would be those of others too
  if (by === "grower") return `${root}/lots${query({ by: "lot", since, until, line, grower: row.key })}`;
  const its = by === "lot" ? { lot: row.key } : by === "line" ? { line: row.key } : { since: row.key, until: row.until };
  return `${root}/gradings${query({ since, until, line, lot, ...its })}`;
}
