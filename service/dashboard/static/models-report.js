// What the intake found in a batch, in words: how many of which grade, what is there twice, and what is wrong.

import { make } from "./dom.js";
import { GRADES } from "./fruit.js";
import { nodes, number, t, tn } from "./i18n.js";
import { folded, named, saidOf } from "./models-parts.js";

/** Sentences on a batch that was taken in. */
export function batchSaid(batch) {
  const { duplicates, on_record: onRecord, unlisted } = batch;
  return [
    make("p", {}, gradesOf(batch)),
    duplicates
      ? [
          sentence(
            tn(
              duplicates,
              "{count} photograph is another one again. It counts once in training.",
              "{count} photographs are others again. Each counts once in training.",
            ),
          ),
          folded(`twice ${batch.id}`, t("Which ones"), make("ul", { class: "files" }, batch.duplicate_files.map(twice))),
        ]
      : make("p", {}, t("No photograph is there twice.")),
    onRecord
      ? sentence(
          tn(
            onRecord,
            "{count} photograph was graded here. It is kept for good from now on.",
            "{count} photographs were graded here. They are kept for good from now on.",
          ),
        )
      : null,
    unlisted
      ? sentence(
          tn(
            unlisted,
            "{count} file is not named in `manifest.csv` and was left out.",
            "{count} files are not named in `manifest.csv` and were left out.",
          ),
        )
      : null,
  ].flat().filter(Boolean);
}

const sentence = (text) => make("p", {}, nodes(text));
const twice = ({ path, same_as: other }) => make("li", {}, named(path), " = ", named(other));

/** "L 40, M 30, C 12": in the farm's order. */
export function gradesOf({ grades }) {
  const there = GRADES.filter((grade) => grades[grade]);
  return make("span", { translate: "no" }, there.map((grade) => `${grade} ${number(grades[grade])}`).join(", "));
}

/** Why a batch was refused: every row that is wrong, if the service named them. */
export function refusal(problem) {
  const { wrong, problems = [] } = problem.facts ?? {};
  if (!wrong) return saidOf(problem);
  return [
    sentence(
      tn(
        wrong,
        "{count} row is wrong, so nothing of the batch was kept. Mend it and send it again.",
        "{count} rows are wrong, so nothing of the batch was kept. Mend them and send it again.",
      ),
    ),
    make(
      "div",
      { class: "wide", tabindex: 0, role: "region", "aria-label": t("What is wrong") },
      make(
        "table",
        { class: "table wrong-rows" },
        make("thead", {}, make("tr", {}, column(t("Row"), "number"), column(t("File")), column(t("Exactly")))),
        make("tbody", {}, problems.map(wrongRow)),
      ),
    ),
    wrong > problems.length ? make("p", {}, t("Only the first {count} are listed.", { count: number(problems.length) })) : null,
  ].filter(Boolean);
}

const column = (word, kind = null) => make("th", { scope: "col", class: kind }, word);

const wrongRow = ({ line, path, detail }) =>
  make(
    "tr",
    {},
    make("td", { class: "number" }, number(line)),
    make("td", {}, named(path || "–")),
    make("td", { lang: "en", translate: "no" }, detail),
  );
