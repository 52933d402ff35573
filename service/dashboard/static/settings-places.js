// Lines and growers: lists of names with a note, which a day's work adds to.

import { all, send } from "./api.js";
import { make } from "./dom.js";
import { day, t } from "./i18n.js";
import {
  addressOf, asking, button, deleting, entries, entry, field, head, MOST, named, noteField, nothing, textField, trimmed,
} from "./settings-parts.js";

const root = document.documentElement.dataset.root;

/** Their words, asked for when they are shown: each kind has its own sentences, which a translation needs whole. */
const LINES = {
  plural: "lines",
  about: () => t("A line is one run of the sorting machine. What runs on it now is chosen on the page of lots."),
  sign: "page-live",
  none: () => t("No line yet"),
  noneHelp: () => t("Enter one here, or let its camera send a photograph that names it: then it is here by itself."),
  add: () => t("Add a line"),
  name: () => t("Name of the line"),
  change: () => t("Note on the line"),
  remove: (name) => t("Delete line {name}?", { name }),
  removeHelp: () => t("This is only possible while no grading and no camera names it."),
  facts: (line) => [
    line.lot ? make("span", {}, t("Lot"), " ", named(line.lot)) : t("no lot runs on it"),
    make("a", { href: `${root}/lots` }, t("To the lots")),
  ],
};
const GROWERS = {
  plural: "growers",
  about: () => t("A grower is whoever the fruit of a lot comes from."),
  sign: "page-lots",
  none: () => t("No grower yet"),
  noneHelp: () => t("Enter one here, or when a new lot is started."),
  add: () => t("Add a grower"),
  name: () => t("Name of the grower"),
  change: () => t("Note on the grower"),
  remove: (name) => t("Delete grower {name}?", { name }),
  removeHelp: () => t("This is only possible while no lot names them."),
  facts: (grower) => [t("since {time}", { time: day(grower.created_at) })],
};

const section = (kind) => ({
  load: () => all(`/v1/${kind.plural}`, kind.plural, MOST),
  draw: (rows, context) => {
    const add = context.changes && button(kind.add(), () => adding(kind, context), "main");
    if (!rows.length) return [nothing(kind.sign, kind.none(), kind.noneHelp(), add)];
    return [head(kind.about(), add), entries(rows.map((row) => shown(kind, row, context)))];
  },
});

export const linesSection = section(LINES);
export const growersSection = section(GROWERS);

function shown(kind, row, context) {
  const remove = () =>
    deleting({
      path: addressOf(kind.plural, row.name),
      title: kind.remove(row.name),
      what: [kind.removeHelp()],
      yes: t("Delete"),
      done: t("Deleted."),
      after: context.again,
    });
  return entry({
    name: row.name,
    facts: kind.facts(row),
    note: row.note,
    buttons: context.changes ? [button(t("Note"), () => changing(kind, row, context)), button(t("Delete"), remove)] : [],
  });
}

const adding = (kind, context) =>
  asking({
    title: kind.add(),
    fields: [field(kind.name(), textField("name", "", { required: true })), noteField()],
    yes: t("Add"),
    submit: (values) => send("POST", `/v1/${kind.plural}`, { name: values.name, note: trimmed(values.note) }),
    done: t("Saved."),
    after: context.again,
  });

const changing = (kind, row, context) =>
  asking({
    title: kind.change(),
    fields: [make("p", {}, named(row.name)), noteField(row.note)],
    yes: t("Save"),
    submit: (values) => send("PATCH", addressOf(kind.plural, row.name), { note: trimmed(values.note) }),
    done: t("Saved."),
    after: context.again,
  });
