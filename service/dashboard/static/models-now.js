// Who grades now and who waits, in words first; then how they compare, and what they said of the same fruit on the line.

import { make, sign } from "./dom.js";
import { day, moment, number, percent, t, tn } from "./i18n.js";
import { sentences, figureTable } from "./models-compare.js";
import { comparison } from "./models-data.js";
import { confusions, gradeBars } from "./models-grades.js";
import { fact, folded, named } from "./models-parts.js";
import { shadowPart } from "./models-shadow.js";
import { verdictChip } from "./models-words.js";

/** What there is to say of them; `models` as readModels makes it. */
export function drawNow(models) {
  if (!models.versions.length) return [noModel()];
  if (models.champion === null) return [waiting(), cards(models)];
  return [late(models), cards(models), compared(models), shadowPart(models.shadow)];
}

function noModel() {
  return make(
    "div",
    { class: "panel nothing" },
    sign("page-models"),
    make("h3", {}, t("No model yet")),
    make("p", {}, t("Publish a trained model on the grading computer:")),
    make("pre", {}, make("code", {}, "senka models publish MODEL.onnx --promote")),
    make("p", {}, t("Or send labelled photographs below and start a retraining: the first model is made from them.")),
  );
}

const waiting = () => make("p", { class: "missing" }, t("No version grades. Promote one of those below."));

function late({ serving, champion }) {
  if (serving === champion || serving === null) return null;
  const text = t("Version {serving} still grades here. Version {champion} takes over within seconds, or its file is damaged.", { serving, champion });
  return make("p", { class: "missing" }, text);
}

function cards(models) {
  const { champion, challenger } = models.details;
  const version = (number) => models.versions.find((one) => one.version === number);
  return make(
    "div",
    { class: "columns" },
    models.champion === null ? null : card(version(models.champion), champion, t("The champion: it grades every fruit"), models.exchange),
    models.challenger === null ? none(models) : card(version(models.challenger), challenger, t("The challenger: it only watches"), null),
  );
}

function none(models) {
  if (models.versions.length < 2) return null;
  const text = t("No challenger. The next retraining that passes the gate makes one.");
  return make("article", { class: "panel" }, make("h3", {}, t("The challenger")), make("p", { class: "quiet" }, text));
}

function card(version, detail, role, exchange) {
  const id = `model-${version.version}`;
  return make(
    "article",
    { class: "panel model", "aria-labelledby": id },
    make("p", { class: "quiet" }, role),
    make("h3", { id, class: "version-name" }, t("Version {version}", { version: version.version })),
    make("p", {}, verdictChip(version.gate)),
    make(
      "dl",
      { class: "facts" },
      exchange ? fact(t("Grades since"), moment(exchange.at)) : [],
      fact(t("Published"), moment(version.published_at)),
      version.note ? fact(t("Note"), named(version.note)) : [],
      detail ? cardFacts(detail.card) : [],
    ),
    detail ? null : make("p", { class: "missing" }, t("The file of this version cannot be read.")),
  );
}

function cardFacts(card) {
  const batches = card.data.flatMap((one) => one.batches.map((batch) => batch.name));
  return [
    ...fact(t("Network"), named(card.recipe ? `${card.architecture} (${card.recipe})` : card.architecture)),
    ...fact(t("Trained"), day(card.created_at)),
    ...(card.images ? fact(t("Learned from"), tn(card.images, "{count} photograph", "{count} photographs")) : []),
    ...(batches.length ? fact(t("Batches"), named(batches.join(", "))) : []),
  ];
}

function compared(models) {
  const { gate, same, sides } = comparison(models);
  if (!sides.length) return unjudged(models.details.champion);
  const words = same ? sentences(gate, sides) : alone(sides, models.details.challenger);
  const title = same ? t("How the challenger compares") : t("How well it grades");
  return make(
    "section",
    { class: "panel", "aria-labelledby": "compared-title" },
    make("h3", { id: "compared-title" }, title),
    make(
      "div",
      { class: "words-figures" },
      make("div", { class: "inside" }, words, make("p", { class: "quiet" }, judgedOn(gate))),
      figureTable(gate, sides, same),
    ),
    folded("grades", t("Grade by grade"), gradeBars(sides)),
    sides.some((one) => one.figures.confusion)
      ? folded("confusion", t("Which grades are taken for which"), confusions(gate.grades, sides))
      : null,
  );
}

function alone(sides, challenger) {
  const said = sides.map(({ version, figures }) =>
    t("Version {version} is right for {accuracy} of the golden set.", { version, accuracy: percent(figures.accuracy, 1) }),
  );
  if (sides.length > 1) said.push(t("They were not judged together, so a small difference says nothing."));
  else if (challenger) said.push(t("The other version was never judged on it, so they cannot be compared."));
  return said.map((sentence) => make("p", { class: "said" }, sentence));
}

function judgedOn({ images, fruit, judged_at }) {
  return t("Judged on {images} photographs of {fruit} fruit of the golden set, {when}.", {
    images: number(images),
    fruit: number(fruit),
    when: day(judged_at),
  });
}

/** A model that was published without a gate says of itself how it did. */
function unjudged(detail) {
  const accuracy = detail?.card.metrics.accuracy;
  return make(
    "section",
    { class: "panel", "aria-labelledby": "compared-title" },
    make("h3", { id: "compared-title" }, t("How well it grades")),
    accuracy === undefined
      ? null
      : make(
          "p",
          { class: "said" },
          t("It was right for {accuracy} of the photographs that were held out of its training.", { accuracy: percent(accuracy, 1) }),
        ),
    make(
      "p",
      { class: "quiet" },
      t("No gate has judged it. The next retraining compares its model with this one, and the figures of both come here."),
    ),
  );
}
