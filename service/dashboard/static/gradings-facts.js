// What is known of one grading, in words: the verdict, its measures, where it came from, the model and the rules.

import { ask } from "./api.js";
import { make, sign } from "./dom.js";
import { kindOf, kindWord, reasonWord } from "./fruit.js";
import { effectiveGrade, gradeText, manualFlag, secondChoice } from "./gradings-tile.js";
import { clock, day, number, percent, t } from "./i18n.js";

const root = document.documentElement.dataset.root;

/** Pairs of a word and what it says; a pair without anything to say is left out. */
function facts(pairs) {
  return make("dl", { class: "facts" }, pairs.filter(([, said]) => said).flatMap(([word, said]) => [make("dt", {}, word), make("dd", {}, said)]));
}

/** The grade large, how sure, the second choice, the lane and why. */
export function verdict(grading) {
  const kind = kindOf(effectiveGrade(grading));
  const manual = grading.lane === "manual";
  return [
    make(
      "p",
      { class: "said", "data-kind": kind ?? "none" },
      gradeText(grading, "strong"),
      make("span", { class: "kind" }, kind && sign(`kind-${kind}`), kind ? kindWord(kind) : ""),
    ),
    grading.grade && make("p", {}, make("strong", {}, t("{share} sure", { share: percent(grading.confidence) })), " ", make("span", { class: "quiet" }, secondChoice(grading))),
    make(
      "p",
      { class: "lane" },
      manual ? manualFlag() : t("Lane {lane}", { lane: grading.lane }),
      grading.reasons.map((code) => make("span", {}, reasonWord(code))),
    ),
  ].filter(Boolean);
}

/** Length, width, bend and area: pixels, and millimetres where the camera is calibrated. */
export function measures({ measurement: found }) {
  if (!found) return [make("p", { class: "quiet" }, t("Nothing was measured on this photograph."))];
  const scale = found.length_mm && found.length_px ? found.length_mm / found.length_px : null; // mm per pixel
  const long = (px) => (scale ? t("{mm} mm ({px} pixels)", { mm: number(px * scale), px: number(px) }) : t("{px} pixels", { px: number(px) }));
  const area = scale
    ? t("{area} cm² ({px} pixels)", { area: number((found.area_px * scale * scale) / 100, 1), px: number(found.area_px) })
    : t("{px} pixels", { px: number(found.area_px) });
  return [
    facts([
      [t("Length"), long(found.length_px)],
      [t("Width"), long(found.width_px)],
      [t("Bend"), t("{mm} mm per 10 cm", { mm: number(found.bend_ratio * 100, 1) })],
      [t("Area"), area],
    ]),
    !scale && make("p", { class: "quiet" }, t("The camera is not calibrated, so lengths are in pixels.")),
  ].filter(Boolean);
}

/** Line, lot, grower, camera, and when; the names lead to the gradings that share them. */
export function origin(grading, grower) {
  const named = (filter) =>
    grading[filter] && make("a", { href: `${root}/gradings?${new URLSearchParams({ [filter]: grading[filter] })}`, translate: "no" }, grading[filter]);
  const when = (moment) => moment && `${day(moment)} ${clock(moment)}`;
  return [
    facts([
      [t("Received"), when(grading.received_at)],
      [t("Taken"), when(grading.captured_at)],
      [t("Line"), named("line")],
      [t("Camera"), named("camera")],
      [t("Lot"), named("lot")],
      [t("Grower"), grower && make("span", { translate: "no" }, grower)],
    ]),
    make("p", { class: "quiet" }, t("Number of this grading:"), " ", make("code", {}, grading.id)),
  ];
}

/** The name of the lot's grower; null where there is none. */
export async function growerOf(lot) {
  return lot ? (await ask(`/v1/lots/${encodeURIComponent(lot)}`)).grower : null;
}

/** Which model graded, and the rules that chose the lane. `profile` is the answer of GET /v1/profiles/{version}, or null. */
export function modelAndRules(grading, profile) {
  const { name, version, sha256 } = grading.model;
  const tenths = (share) => (Math.round(share * 1000) % 10 ? 1 : 0); // 62.5 % is not 63 %
  const rules = Object.entries(profile?.rules ?? {}).map(([rule, value]) =>
    rule === "manual_below"
      ? make("li", {}, t("Below {share} sure, fruit goes to the manual lane.", { share: percent(value, tenths(value)) }))
      : make("li", {}, make("code", {}, `${rule}: ${JSON.stringify(value)}`)),
  );
  return [
    facts([
      [t("Model"), make("span", {}, make("span", { translate: "no" }, name), " · ", t("version {version}", { version }))],
      [t("Rules"), grading.profile ? t("version {version}", { version: grading.profile.version }) : t("not kept")],
    ]),
    rules.length > 0 && make("ul", { class: "rules" }, rules),
    make("details", {}, make("summary", {}, t("Checksum of the model's file")), make("code", {}, sha256)),
  ].filter(Boolean);
}
