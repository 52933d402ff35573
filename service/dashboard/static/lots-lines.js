// A card for each line: the lot that runs on it now, whose it is, since when, how much came, and what can be done about it.

import { all, ask, query } from "./api.js";
import { make, sign } from "./dom.js";
import { number, t } from "./i18n.js";
import { changeLot, describeLot, endLot, newLot } from "./lots-change.js";
import { correctLot } from "./lots-correct.js";
import { named } from "./lots-pick.js";
import { dateIn, minuteIn } from "./lots-time.js";

const MOST = 200;
const root = document.documentElement.dataset.root;

/** The lines with what runs on them: [{ name, note, lot: row | null, figures: row of the report | null }]. Throws Problem. */
export async function readLines() {
  const lines = await all("/v1/lines", "lines", MOST);
  return Promise.all(
    lines.map(async (line) => {
      if (!line.lot) return { ...line, runs: null, figures: null };
      const [runs, report] = await Promise.all([
        ask(`/v1/lots/${encodeURIComponent(line.lot)}`),
        ask(`/v1/report${query({ by: "lot", line: line.name, lot: line.lot })}`),
      ]);
      return { ...line, runs, figures: report.rows[0] ?? null };
    }),
  );
}

/**
 * Draws the cards into `place`. `changes` is whether whoever looks may change anything; `after` is called once something was
 * changed.
 */
export function drawLines(place, lines, { changes, zone, after }) {
  const focused = place.contains(document.activeElement) ? document.activeElement.dataset.key : null;
  place.replaceChildren(...(lines.length ? lines.map((line) => card(line, lines, { changes, zone, after })) : [noLine()]));
  if (focused) place.querySelector(`[data-key="${CSS.escape(focused)}"]`)?.focus();
}

function card(line, lines, { changes, zone, after }) {
  const id = `line-${lines.indexOf(line)}`;
  const today = dateIn(zone, Date.now());
  const button = (word, kind, run) =>
    make("button", { type: "button", class: `button ${kind}`, "data-key": `${kind} ${run.name} ${line.name}`, onclick: run }, word);
  const change = () => changeLot(line, lines, today, after);
  const start = () => newLot(line, today, after);
  const describe = () => describeLot(line.runs, after);
  const correct = () => correctLot(line, zone, after);
  const end = () => endLot(line.lot, lines, after);
  const buttons = changes && [
    make("div", { class: "buttons" }, button(line.lot ? t("Change lot") : t("Choose lot"), "main", change), button(t("New lot"), "start", start)),
    make(
      "div",
      { class: "buttons quieter" },
      line.lot && button(t("Grower and note"), "plain", describe),
      button(t("Wrong lot?"), "plain", correct),
      line.lot && button(t("End this lot"), "plain", end),
    ),
  ];
  return make(
    "article",
    { class: "panel line", "aria-labelledby": id },
    make("h3", { id }, t("Line"), " ", named(line.name)),
    line.lot ? running(line, zone) : make("p", { class: "missing" }, t("No lot is chosen. Until then fruit is on record without one, unless the camera names it.")),
    buttons,
  );
}

function running({ runs, figures }, zone) {
  const fact = (word, ...value) => [make("dt", {}, word), make("dd", {}, value)];
  return [
    make("p", { class: "lot-name", translate: "no" }, runs.name),
    make(
      "dl",
      { class: "facts" },
      fact(t("Grower"), runs.grower ? named(runs.grower) : t("not said")),
      fact(t("Fruit so far"), make("span", { class: "number" }, figures ? number(figures.total) : "0")),
      fact(t("Since"), figures?.first_received_at ? minuteIn(zone, figures.first_received_at) : t("no fruit yet")),
      runs.note ? fact(t("Note"), named(runs.note)) : [],
    ),
  ];
}

function noLine() {
  return make(
    "div",
    { class: "panel nothing" },
    sign("page-lots"),
    make("h3", {}, t("No line yet")),
    make("p", {}, t("A line appears here by itself once its camera sends the first photograph. It can also be entered in Settings.")),
    make("a", { class: "button main", href: `${root}/settings#lines` }, t("To the lines in Settings")),
  );
}
