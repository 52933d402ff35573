// One strip for what a person should know of: cause, since when, what to do, and who has seen it. The gravest comes first, the
// others are behind a button. A new one that nobody has seen makes a sound, where this device is told to.

import { ask, send } from "./api.js";
import { make, sign } from "./dom.js";
import { mark, moment, nodes, onLanguage, t, tn } from "./i18n.js";
import { may } from "./session.js";
import { beep } from "./sound.js";

/** Name -> what it is, and what to do. Names come from the service; a new one that is not here is shown by its own words. */
export const SAID = {
  database_away: [
    mark("The records do not answer."),
    mark("Fruit is graded on, and gradings wait on this computer. Look after the database."),
  ],
  journal_refused: [mark("Gradings cannot be kept."), mark("The disk may be full. Make room, then look at `senka doctor`.")],
  disk_low: [mark("The disk is nearly full."), mark("Fruit is graded on, photographs are not kept. Make room on the disk.")],
  photographs_not_stored: [mark("Photographs are not kept."), mark("The folder for photographs takes none. Look at `senka doctor`.")],
  object_store_away: [mark("The photograph store does not answer."), mark("Photographs wait on this computer. Look after the store.")],
  clock_jumped: [mark("The clock of this computer has jumped."), mark("No photograph is deleted for its age until it is right.")],
  model_rolled_back: [
    mark("The new model did not prove itself."),
    mark("The model before it grades again, or has to be put back by hand. Look at Models."),
  ],
};
const GRAVEST = ["critical", "warning"];
const HEARD_WITHIN_MS = 60_000; // an alarm that was open long before the page came is not news

export function showAlarms(strip) {
  const open = new Map(); // id -> alarm
  let unfolded = false;
  let drawn = "";
  let mayAct = null;
  let skewMs = 0;

  /** Asked again with the next sign of life, where there was no answer. */
  function askRole() {
    if (mayAct !== null) return;
    may("operator").then(
      (yes) => {
        mayAct = yes;
        draw();
      },
      () => {},
    );
  }
  askRole();

  const ordered = () =>
    [...open.values()].sort(
      (a, b) =>
        Boolean(a.acknowledged_by) - Boolean(b.acknowledged_by) ||
        GRAVEST.indexOf(a.severity) - GRAVEST.indexOf(b.severity) ||
        Date.parse(b.since) - Date.parse(a.since),
    );

  function take(alarm) {
    const news = !open.has(alarm.id) && !alarm.until && !alarm.acknowledged_by;
    if (alarm.until) open.delete(alarm.id);
    else open.set(alarm.id, alarm);
    draw();
    if (news) hear(alarm);
  }

  function hear(alarm) {
    if (Date.now() + skewMs - Date.parse(alarm.since) < HEARD_WITHIN_MS) beep(alarm.severity);
  }

  async function refresh() {
    askRole();
    const { alarms } = await ask("/v1/alarms?open=true");
    const news = alarms.filter((alarm) => !open.has(alarm.id) && !alarm.acknowledged_by);
    open.clear();
    for (const alarm of alarms) open.set(alarm.id, alarm);
    draw();
    news.forEach(hear);
  }

  async function acknowledge(alarm, button) {
    button.disabled = true;
    try {
      take(await send("POST", `/v1/alarms/${encodeURIComponent(alarm.id)}/acknowledge`));
    } catch (problem) {
      button.disabled = false;
      button.after(make("span", { role: "alert" }, problem.words()));
    }
  }

  function row(alarm) {
    const said = SAID[alarm.name]?.map((key) => t(key));
    const [what, todo] = said ?? [make("span", { lang: "en" }, alarm.name.replaceAll("_", " ")), ""];
    const seen = alarm.acknowledged_by
      ? make("span", { class: "seen" }, t("Seen by {name}", { name: alarm.acknowledged_by }))
      : mayAct && make("button", { type: "button", onclick: (event) => acknowledge(alarm, event.currentTarget) }, t("I have seen it"));
    return make(
      "li",
      { "data-severity": alarm.severity, "data-seen": alarm.acknowledged_by ? "yes" : "no" },
      sign("sign-alarm"),
      make(
        "p",
        {},
        make("strong", {}, what),
        " ",
        nodes(todo),
        " ",
        make("span", { class: "since" }, t("Since {time}", { time: moment(alarm.since) })),
        " ",
        make("details", {}, make("summary", {}, t("Exactly")), make("span", { lang: "en" }, alarm.detail)),
      ),
      seen,
    );
  }

  function draw() {
    const rows = ordered();
    const text = JSON.stringify([document.documentElement.lang, unfolded, mayAct, rows]);
    if (text === drawn) return; // what is opened stays open, and nothing is read out again
    drawn = text;
    strip.hidden = !rows.length;
    const shown = unfolded ? rows : rows.slice(0, 1);
    const more = rows.length > 1 &&
      make(
        "button",
        { type: "button", class: "more", "aria-expanded": String(unfolded), onclick: () => ((unfolded = !unfolded), draw()) },
        unfolded ? t("Show one") : tn(rows.length - 1, "{count} more", "{count} more"),
      );
    strip.replaceChildren(make("ul", {}, shown.map(row)), ...(more ? [more] : []));
  }

  /** The service's time, which `since` is of. */
  function clock(serverNow) {
    skewMs = serverNow - Date.now();
  }

  onLanguage(draw);
  return { take, refresh, clock };
}
