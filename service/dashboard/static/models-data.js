// What is known of the models, put together: versions, the card and the gate's figures of both, what they said of the same fruit.

import { ask, query } from "./api.js";

/**
 * { name, champion, challenger, serving, versions, details: { champion, challenger }, shadow, exchange }; a part of it that cannot be
 * read is null. `exchange` is the audit trail's last word on who grades, which only an admin reads. Throws Problem.
 */
export async function readModels(admin) {
  const models = await ask("/v1/models");
  const { champion, challenger } = models;
  const [first, second, shadow, exchange] = await Promise.all([
    detail(champion),
    detail(challenger),
    champion !== null && challenger !== null ? orNull(ask("/v1/models/shadow")) : null,
    admin ? orNull(lastExchange(models)) : null,
  ]);
  return { ...models, details: { champion: first, challenger: second }, shadow, exchange };
}

const detail = (version) => (version === null ? null : orNull(ask(`/v1/models/${version}`)));

/** A damaged file or records that are off hide one part of the page, not the page. */
async function orNull(asked) {
  try {
    return await asked;
  } catch (problem) {
    if (!problem.words) throw problem;
    return null;
  }
}

async function lastExchange({ name, champion }) {
  const { audit } = await ask(`/v1/audit${query({ action: "model.", subject: name, limit: 1 })}`);
  return audit.length && audit[0].detail.to === champion ? audit[0] : null;
}

/**
 * The figures to show: { gate, same, sides: [{ version, role, figures }] }. `same`: both were judged on the same photographs at the
 * same time, so that they may be compared; else each has the figures of its own judgement.
 */
export function comparison({ details: { champion, challenger } }) {
  const gate = challenger?.gate;
  if (champion && gate?.champion && gate.candidate && gate.champion_version === champion.version)
    return { gate, same: true, sides: [side(champion, "champion", gate.champion), side(challenger, "challenger", gate.candidate)] };
  const alone = [
    [champion, "champion"],
    [challenger, "challenger"],
  ].filter(([one]) => one?.gate?.candidate);
  const sides = alone.map(([one, role]) => side(one, role, one.gate.candidate));
  return { gate: alone[0]?.[0].gate ?? null, same: false, sides };
}

const side = (one, role, figures) => ({ version: one.version, role, figures, grades: one.gate?.grades });
