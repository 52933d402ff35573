// Every version, the newest first: when it was published, what the gate said, and for an admin the way to make it the champion.

import { make, sign } from "./dom.js";
import { moment, t } from "./i18n.js";
import { promote, rollBack } from "./models-exchange.js";
import { folded, named, report } from "./models-parts.js";
import { verdictChip } from "./models-words.js";

const SHOWN = 6;

export function drawVersions(models, { changes, after }) {
  const newest = [...models.versions].reverse();
  const rows = newest.map((version) => row(models, version, { changes, after }));
  const older = rows.slice(SHOWN);
  return [
    changes && models.champion !== null && models.versions.length > 1 ? goBack(models, after) : null,
    make("ul", { class: "rows" }, rows.slice(0, SHOWN)),
    older.length ? folded("older", t("Older versions"), make("ul", { class: "rows" }, older)) : null,
  ];
}

function goBack(models, after) {
  const button = { type: "button", class: "button", "data-key": "back", onclick: () => rollBack(models, after) };
  return make(
    "div",
    { class: "back" },
    make("button", button, sign("sign-undo"), t("Roll back")),
    make("p", { class: "quiet" }, t("The model before the one that grades now takes over again.")),
  );
}

function row(models, version, { changes, after }) {
  const { version: number, aliases, note, published_at, retraining_id, gate } = version;
  const titled = { type: "button", class: "button", "data-key": `promote ${number}`, "aria-label": t("Promote version {version}", { version: number }) };
  return make(
    "li",
    { class: "row", "data-now": aliases.includes("champion") ? "yes" : "no" },
    make(
      "div",
      { class: "row-said" },
      make("h3", {}, t("Version {version}", { version: number }), aliases.length ? ` · ${aliases.map(aliasWord).join(", ")}` : ""),
      make("p", { class: "quiet" }, t("published {when}", { when: moment(published_at) })),
      note ? make("p", {}, named(note)) : null,
      make("p", {}, verdictChip(gate)),
    ),
    make(
      "div",
      { class: "buttons" },
      retraining_id && gate ? report(`/v1/retrainings/${encodeURIComponent(retraining_id)}/gate`, t("Report of the gate")) : null,
      changes && !aliases.includes("champion")
        ? make("button", { ...titled, onclick: () => promote(models, version, after) }, t("Promote"))
        : null,
    ),
  );
}

const aliasWord = (alias) => (alias === "champion" ? t("champion") : alias === "challenger" ? t("challenger") : alias);
