// Days of the farm. A report counts by its time zone, so a day begins where the farm's does, whatever clock the tablet has.

import { day } from "./i18n.js";

const DAY_MS = 86_400_000;

/** The tablet's own, until the farm's is known. */
export const ownZone = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** A moment -> "2026-11-29T14:02" in the time zone, as a field for a time has it. */
export const fieldIn = (zone, at) => new Date(wall(zone, at)).toISOString().slice(0, 16);

/** A moment -> "2026-11-29" in the time zone. */
export const dateIn = (zone, at) => fieldIn(zone, at).slice(0, 10);

/** "2026-11-29" -> the moment that this day begins in the time zone, in ms. */
export const startOf = (zone, date) => atIn(zone, `${date}T00:00`);

/** "2026-11-29T14:02" on the clock of the time zone -> the moment, in ms. */
export function atIn(zone, field) {
  const wanted = Date.parse(`${field}Z`);
  const first = wanted - (wall(zone, wanted) - wanted);
  return wanted - (wall(zone, first) - first); // once more: the clock may change between the two
}

/** "2026-11-29", 1 -> "2026-11-30" */
export const later = (date, days) => new Date(Date.parse(`${date}T00:00:00Z`) + days * DAY_MS).toISOString().slice(0, 10);

/** What the clock on the wall shows, written as if it were UTC, in ms. */
function wall(zone, at) {
  const options = { timeZone: zone, hourCycle: "h23", year: "numeric", month: "numeric", day: "numeric", hour: "numeric", minute: "numeric" };
  const part = {};
  for (const { type, value } of new Intl.DateTimeFormat("en", options).formatToParts(at)) part[type] = Number(value);
  return Date.UTC(part.year, part.month - 1, part.day, part.hour, part.minute);
}

/** The first days of the periods that have a button. A season is the last twelve months: it goes on over New Year. */
export function periods(zone, now = Date.now()) {
  const today = dateIn(zone, now);
  const weekday = (new Date(`${today}T00:00:00Z`).getUTCDay() + 6) % 7; // 0 is Monday
  const [year, rest] = [Number(today.slice(0, 4)), today.slice(4).replace("-02-29", "-02-28")];
  return { today, week: later(today, -weekday), month: `${today.slice(0, 8)}01`, season: `${year - 1}${rest}` };
}

const MINUTE = { month: "short", day: "numeric", hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const TIME = { hour: "2-digit", minute: "2-digit", hourCycle: "h23" };
const DATE = { weekday: "short", year: "numeric", month: "short", day: "numeric" };

/** "Sun, 29 Nov 2026" by the farm's calendar. */
export const dayIn = (zone, at) => day(at, { ...DATE, timeZone: zone });

/** "06:00" by the farm's clock. */
export const timeIn = (zone, at) => day(at, { ...TIME, timeZone: zone });

/** "29 Nov, 06:12" by the farm's clock. */
export const minuteIn = (zone, at) => day(at, { ...MINUTE, timeZone: zone });

/** "29 Nov 2026, 06:12" by the farm's clock. */
export const momentIn = (zone, at) => day(at, { ...MINUTE, year: "numeric", timeZone: zone });

/** "29 Nov, 06:12 – 14:40": the day is said twice only where it is another. */
export function spanIn(zone, from, to) {
  const same = dateIn(zone, Date.parse(from)) === dateIn(zone, Date.parse(to));
  const [first, last] = [minuteIn(zone, from), same ? timeIn(zone, to) : minuteIn(zone, to)];
  return `${first} – ${last}`;
}
