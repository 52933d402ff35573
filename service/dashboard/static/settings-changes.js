// The record of changes: who changed what, when and from where. Nothing in it is ever changed or deleted.

import { ask, query } from "./api.js";
import { make } from "./dom.js";
import { clock, day, t } from "./i18n.js";
import { actionWord, details, KINDS } from "./settings-changes-words.js";
import { button, field, keyed, named, nothing, selectField, sentence, textField, trimmed, trying } from "./settings-parts.js";

const PAGE = 50;

export const changesSection = {
  load: (context) => read(context),
  draw: (page, context) => [
    sentence(t("Everything that people and the service change is written down here. Nobody can change or delete it.")),
    filters(context),
    page.audit.length ? table(page.audit) : nothing("page-gradings", t("Nothing was changed"), t("No change fits these filters. Take one away.")),
    page.next_cursor && make("div", { class: "buttons" }, button(t("Show more"), (event) => more(page, context, event.currentTarget))),
  ],
};

function read(context, cursor = null) {
  const { action = null, actor = null, since = null, until = null } = context.filters ?? {};
  return ask(`/v1/audit${query({ action, actor, since: instant(since), until: instant(until, 1), limit: PAGE, cursor })}`);
}

/** A day of this tablet -> the moment it begins, so many days later. */
function instant(date, days = 0) {
  if (!date) return null;
  const [year, month, one] = date.split("-").map(Number);
  return new Date(year, month - 1, one + days).toISOString();
}

function filters(context) {
  const chosen = context.filters ?? {};
  const choices = [["", t("everything")], ...Object.entries(KINDS).map(([value, word]) => [value, t(word)])];
  const form = make(
    "form",
    { class: "change-filters", "aria-label": t("Which changes") },
    field(t("What"), selectField("action", choices, chosen.action ?? "")),
    field(t("Who"), textField("actor", chosen.actor)),
    field(t("from"), make("input", { type: "date", name: "since", value: chosen.since })),
    field(t("to"), make("input", { type: "date", name: "until", value: chosen.until })),
    make("button", { class: "button" }, t("Show")),
  );
  for (const [place, each] of [...form.elements].entries()) keyed(each, `filter ${place}`);
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    context.filters = Object.fromEntries([...new FormData(form)].map(([name, value]) => [name, trimmed(value)]));
    context.again();
  });
  return form;
}

const table = (lines) =>
  make(
    "div",
    { class: "panel wide" },
    make(
      "table",
      { class: "table changes" },
      make("thead", {}, make("tr", {}, [t("When"), t("Who"), t("What"), t("In detail")].map((word) => make("th", { scope: "col" }, word)))),
      make("tbody", {}, lines.map(row)),
    ),
  );

function row(line) {
  return make(
    "tr",
    {},
    make("td", { class: "when" }, day(line.at), " ", clock(line.at)),
    make("td", {}, named(line.actor), line.address && make("span", { class: "address", translate: "no" }, line.address)),
    make("td", {}, actionWord(line.action), " ", make("b", { translate: "no" }, line.subject)),
    make("td", {}, make("ul", {}, details(line.detail).map((each) => make("li", {}, each)))),
  );
}

const more = (page, context, pressed) => {
  pressed.disabled = true;
  return trying(async () => {
    const next = await read(context, page.next_cursor);
    page.audit.push(...next.audit);
    page.next_cursor = next.next_cursor;
  }, context.draw);
};
