// What the challenger would have said of the fruit on the line: how often it agrees, and what it takes for what.

import { make } from "./dom.js";
import { gradeWord } from "./fruit.js";
import { moment, number, percent, t, tn } from "./i18n.js";

const SHOWN = 8;

/** Nothing without a challenger; `shadow` is GET /v1/models/shadow. */
export function shadowPart(shadow) {
  if (!shadow) return null;
  return make(
    "section",
    { class: "panel", "aria-labelledby": "shadow-title" },
    make("h3", { id: "shadow-title" }, t("On the line now")),
    ...(shadow.seen ? seen(shadow) : [make("p", { class: "quiet" }, unseen())]),
  );
}

const unseen = () =>
  t("The challenger has seen no fruit yet. It looks at some of those that come from now on, and nobody is answered with what it says.");

function seen(shadow) {
  const { manual_share: manual } = shadow;
  return [
    make("p", { class: "said" }, t("Both say the same for {share} of {count} fruit.", { share: percent(shadow.agreement, 1), count: number(shadow.seen) })),
    make("p", {}, t("Manual lane: {after} of the fruit with the challenger, {before} with the champion.", {
      after: percent(manual.challenger, 1),
      before: percent(manual.champion, 1),
    })),
    make("p", { class: "quiet" }, t("Seen since {when}. Who is right is not known here: corrections and the gate tell.", { when: moment(shadow.since) })),
    ...(shadow.disagreements.length ? pairs(shadow) : []),
  ];
}

function pairs({ disagreements, seen: all }) {
  const rows = disagreements.slice(0, SHOWN).map(({ graded, shadow, count }) =>
    make(
      "tr",
      {},
      make("td", {}, make("b", {}, gradeWord(graded))),
      make("td", {}, make("b", {}, gradeWord(shadow))),
      make("td", { class: "number" }, number(count)),
      make("td", { class: "number" }, percent(count / all, 1)),
    ),
  );
  const more = disagreements.length - rows.length;
  return [
    make(
      "table",
      { class: "table pairs" },
      make("caption", {}, t("Where they differ most")),
      make(
        "thead",
        {},
        make(
          "tr",
          {},
          make("th", { scope: "col" }, t("The champion says")),
          make("th", { scope: "col" }, t("The challenger says")),
          make("th", { scope: "col", class: "number" }, t("Fruit")),
          make("th", { scope: "col", class: "number" }, t("Share")),
        ),
      ),
      make("tbody", {}, rows),
    ),
    more > 0 ? make("p", { class: "quiet" }, tn(more, "and {count} other pair", "and {count} other pairs")) : null,
  ].filter(Boolean);
}
