// The alarms so far, the latest first: what it was, from when to when, and who has seen it.

import { SAID } from "./alarms.js";
import { ask, query, send } from "./api.js";
import { exactly } from "./dialog.js";
import { make } from "./dom.js";
import { duration, moment, t } from "./i18n.js";
import { button, entries, entry, named, nothing, trying } from "./settings-parts.js";
import { alarms as strip } from "./shell.js";

const PAGE = 30;

export const alarmsSection = {
  load: () => ask(`/v1/alarms${query({ limit: PAGE })}`),
  draw: (page, context) => {
    if (!page.alarms.length) {
      return [nothing("sign-good", t("No alarm so far"), t("What a person should know of, such as a full disk, is told on every page and kept here."))];
    }
    return [
      entries(page.alarms.map((alarm) => shown(alarm, context))),
      page.next_cursor && make("div", { class: "buttons" }, button(t("Show more"), (event) => more(page, context, event.currentTarget))),
    ];
  },
};

function shown(alarm, context) {
  const end = alarm.until ? duration(Date.parse(alarm.until) - Date.parse(alarm.since)) : null;
  const seen = () =>
    trying(async () => {
      await send("POST", `/v1/alarms/${encodeURIComponent(alarm.id)}/acknowledge`);
      await strip.refresh();
    }, context.again);
  return entry({
    key: alarm.id,
    name: SAID[alarm.name] ? make("span", {}, t(SAID[alarm.name][0])) : make("span", { lang: "en" }, alarm.name.replaceAll("_", " ")),
    chips: [
      make("span", { class: "chip", "data-tone": alarm.until ? null : "bad" }, alarm.until ? t("over") : t("open")),
      alarm.severity === "critical" && make("span", { class: "chip" }, t("grave")),
    ],
    facts: [
      t("since {time}", { time: moment(alarm.since) }),
      end && t("lasted {time}", { time: end }),
      alarm.acknowledged_by && make("span", {}, t("seen {time} by", { time: moment(alarm.acknowledged_at) }), " ", named(alarm.acknowledged_by)),
    ],
    more: exactly(alarm),
    buttons: [!alarm.acknowledged_by && context.changes && button(t("I have seen it"), seen)],
  });
}

const more = (page, context, pressed) => {
  pressed.disabled = true;
  return trying(async () => {
    const next = await ask(`/v1/alarms${query({ limit: PAGE, cursor: page.next_cursor })}`);
    page.alarms.push(...next.alarms);
    page.next_cursor = next.next_cursor;
  }, context.draw);
};
