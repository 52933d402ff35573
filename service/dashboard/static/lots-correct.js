// Fruit that was graded under the wrong lot: which, since when, and how many they are before anything is done.

import { ask, query, send } from "./api.js";
import { confirm, form } from "./dialog.js";
import { make } from "./dom.js";
import { t, tn } from "./i18n.js";
import { everyLot } from "./lots-change.js";
import { lotLines, named, newestFirst, pickOne } from "./lots-pick.js";
import { atIn, dateIn, fieldIn, momentIn, startOf } from "./lots-time.js";
import { toast } from "./toast.js";

const SHOWN = 8;
const BACK_MS = 30 * 86_400_000;
const MINUTE_MS = 60_000;
const MOVING_MS = 120_000; // a season's lot takes longer than an ordinary question
const STAY = { words: () => "", detail: "" }; // leaves the form open, and says nothing

/** The lots whose fruit came over this line lately, with their figures, the one of the moment first. */
async function lotsOf(line) {
  const since = new Date(Date.now() - BACK_MS).toISOString();
  const { rows } = await ask(`/v1/report${query({ by: "lot", line: line.name, since })}`);
  const found = rows.filter((row) => row.key !== null);
  return [...found.filter((row) => row.key === line.lot), ...found.filter((row) => row.key !== line.lot)];
}

/** Asks all of it and moves the fruit. `line` is { name, lot }, times are of the farm's `zone`; `after` shows what is so then. */
export async function correctLot(line, zone, after) {
  try {
    const [recent, lots] = await Promise.all([lotsOf(line), everyLot()]);
    if (!recent.length) return toast(t("No fruit of a lot came over line {line} in the last 30 days.", { line: line.name }));
    const moved = await asked(line, zone, recent, newestFirst(lots));
    if (moved) toast(tn(moved.gradings, "{count} fruit belongs to lot {lot} now.", "{count} fruit belong to lot {lot} now.", { lot: moved.to }));
  } catch (problem) {
    if (!problem.words) throw problem;
    toast(problem.words(), { bad: true });
  }
  await after();
}

function asked(line, zone, recent, lots) {
  const option = (name) => make("option", { value: name, translate: "no" }, name);
  const from = make("select", { name: "from", translate: "no" }, recent.map((row) => option(row.key)));
  const open = lots.filter((lot) => !lot.closed_at).slice(0, SHOWN);
  const others = lots.filter((lot) => !open.includes(lot));
  const to = pickOne("to", t("They belong to lot"), open.map((lot) => [lot.name, lotLines(lot)]));
  const other = make("select", { name: "other" }, make("option", { value: "" }, t("none of these")), others.map((lot) => option(lot.name)));
  other.addEventListener("change", () => other.value && to.querySelectorAll("input").forEach((radio) => (radio.checked = false)));
  to.addEventListener("change", () => (other.value = ""));
  const time = (name) => make("input", { type: "datetime-local", name, min: "1900-01-01T00:00", max: "9999-12-31T23:59" });
  const [since, until] = [time("since"), time("until")];
  const field = (at) => fieldIn(zone, at);
  const stamp = ({ value }) => (value ? new Date(atIn(zone, value)).toISOString() : null);
  const count = make("p", { class: "count", role: "status" });

  const quick = [
    [t("Since the lot began"), () => ""],
    [t("The last 15 min"), () => field(Date.now() - 15 * MINUTE_MS)],
    [t("The last hour"), () => field(Date.now() - 60 * MINUTE_MS)],
    [t("Today"), () => field(startOf(zone, dateIn(zone, Date.now())))],
  ].map(([word, start], index) =>
    make("button", { type: "button", class: "button", "aria-pressed": String(index === 0), onclick: (event) => {
      [since.value, until.value] = [start(), ""];
      press(event.currentTarget);
      preview();
    } }, word),
  );
  const press = (one) => quick.forEach((button) => button.setAttribute("aria-pressed", String(button === one)));

  const wanted = () => ({
    to: to.querySelector("input:checked")?.value || other.value || null,
    line: line.name,
    since: stamp(since),
    until: stamp(until),
  });

  let turn = 0;
  const counted = async () => (await ask(`/v1/stats${query({ lot: from.value, ...wanted(), to: null })}`)).total;
  async function preview() {
    const mine = (turn += 1);
    try {
      const total = await counted();
      if (mine !== turn) return;
      count.replaceChildren(
        total ? tn(total, "{count} fruit on line {line} would move.", "{count} fruit on line {line} would move.", { line: line.name })
          : t("No fruit of this lot came over line {line} in that time.", { line: line.name }),
      );
    } catch (problem) {
      if (mine === turn) count.replaceChildren(problem.words?.() ?? String(problem));
    }
  }
  // of a year that is being typed the browser gives each digit as a date
  for (const each of [since, until]) each.addEventListener("change", () => each.validity.valid && (press(null), preview()));
  for (const each of [from, to, other]) each.addEventListener("change", () => {
    for (const radio of to.querySelectorAll("input")) {
      radio.closest("label").hidden = radio.disabled = radio.value === from.value;
      if (radio.disabled) radio.checked = false;
    }
    preview();
  });
  from.dispatchEvent(new Event("change"));

  return form({
    title: t("These fruit belong to another lot"),
    fields: [
      make("label", { class: "field" }, t("Fruit on line {line} that are on record under lot", { line: line.name }), from),
      to,
      others.length ? make("label", { class: "field" }, t("Or an earlier or ended lot"), other) : null,
      make("fieldset", { class: "picks" }, make("legend", {}, t("From when")), make("div", { class: "quick" }, quick)),
      make("div", { class: "pair" }, make("label", { class: "field" }, t("from"), since), make("label", { class: "field" }, t("until (empty: now)"), until)),
      count,
    ].filter(Boolean),
    yes: t("Go on"),
    submit: async () => {
      const { to: target, ...where } = wanted();
      const refuse = (text) => { throw { words: () => text, detail: "" }; };
      if (!target) refuse(t("Choose the lot that they belong to."));
      if (target === from.value) refuse(t("That is the lot that they are in already."));
      const total = await counted();
      if (!total) refuse(t("There is no such fruit, so nothing would change."));
      const sure = await confirm({
        title: tn(total, "Move {count} fruit?", "Move {count} fruit?"),
        what: [
          t("From lot **{from}** to lot **{to}**, line {line}.", { from: from.value, to: target, line: line.name }),
          t("Time: {from} to {until}.", {
            from: where.since ? momentIn(zone, where.since) : t("since the lot began"),
            until: where.until ? momentIn(zone, where.until) : t("now"),
          }),
          t("The counts of both lots change. That you did it is noted in the record of changes. What runs on the line stays."),
        ],
        yes: tn(total, "Move {count} fruit", "Move {count} fruit"),
      });
      if (!sure) throw STAY;
      return send("POST", `/v1/lots/${encodeURIComponent(from.value)}/reassign`, { to: target, ...where }, { waitMs: MOVING_MS });
    },
  });
}
