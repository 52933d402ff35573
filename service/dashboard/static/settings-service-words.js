// The settings that matter on a farm, in words: a title, a sentence, and how each value is said.

import { make } from "./dom.js";
import { mark, number, t, tn } from "./i18n.js";
import { exactShare } from "./settings-parts.js";

const NEVER = mark("never");
const FOR_EVER = mark("for ever");

/** [title of the group, its settings]. `as` says how a value is shown, `zero` what 0 means, `words` what a word of a choice means. */
export const GROUPS = [
  [
    mark("Photographs"),
    [
      {
        name: "SENKA_KEEP",
        title: mark("Photographs that are kept"),
        help: mark("All, none, or the interesting ones: unsure ones, disagreements and a sample. Fewer need less disk."),
        words: { all: mark("all"), interesting: mark("interesting ones"), none: mark("none") },
      },
      { name: "SENKA_KEEP_DAYS", title: mark("Ordinary photographs are kept"), as: "days", zero: FOR_EVER, help: mark("Older ones are deleted. Their gradings stay.") },
      {
        name: "SENKA_KEEP_INTERESTING_DAYS",
        title: mark("Interesting photographs are kept"),
        as: "days",
        zero: FOR_EVER,
        help: mark("Unsure and corrected ones teach a new model, so they are worth keeping longer."),
      },
      {
        name: "SENKA_KEEP_BYTES",
        title: mark("Room for photographs"),
        as: "bytes",
        zero: mark("no limit"),
        help: mark("When it is full, the oldest and least interesting ones are deleted first."),
      },
      {
        name: "SENKA_DISK_RESERVE_BYTES",
        title: mark("Disk that stays free"),
        as: "bytes",
        zero: mark("none"),
        help: mark("With less than this left, photographs are no longer kept, so that gradings still are."),
      },
    ],
  ],
  [
    mark("Records"),
    [
      {
        name: "SENKA_DURABILITY",
        title: mark("When a grading is kept"),
        help: mark("Before the answer nothing is lost when the power fails; after it, answers are quicker and the last moments may be lost."),
        words: { sync: mark("before the answer"), async: mark("after the answer") },
      },
      { name: "SENKA_RECORDS", title: mark("Records are kept"), help: mark("Without them fruit is graded and nothing is remembered."), words: { on: mark("yes"), off: mark("no") } },
      {
        name: "SENKA_JOURNAL_BYTES",
        title: mark("Gradings that wait while the database is away"),
        as: "bytes",
        zero: mark("none"),
        help: mark("They wait on this computer and go on record when the database is back."),
      },
    ],
  ],
  [
    mark("Grading"),
    [
      {
        name: "SENKA_MANUAL_BELOW",
        title: mark("To the manual lane when less sure than"),
        as: "share",
        zero: NEVER,
        help: mark("Higher: people look at more fruit, and fewer are wrong. Lower: the other way round."),
      },
      {
        name: "SENKA_DEADLINE_MS",
        title: mark("A grade has to be there after"),
        as: "ms",
        help: mark("A fruit that is not graded by then goes to the manual lane: it would have passed the ejector."),
      },
    ],
  ],
  [
    mark("New models"),
    [
      {
        name: "SENKA_SHADOW_SHARE",
        title: mark("A challenger grades along, unseen"),
        as: "share",
        zero: NEVER,
        help: mark("This share of the photographs, in idle time, to compare it with the model in use."),
      },
      {
        name: "SENKA_ROLLBACK_MANUAL_SHARE",
        title: mark("Rolled back when it sends more to the manual lane than"),
        as: "share",
        zero: NEVER,
        help: mark("Judged on the first 200 fruits after a new model was promoted."),
      },
      {
        name: "SENKA_ROLLBACK_DISAGREEMENT",
        title: mark("Rolled back when it contradicts the model before more often than"),
        as: "share",
        zero: NEVER,
        help: mark("Judged on the first 200 fruits that both of them graded."),
      },
    ],
  ],
  [
    mark("Logging in"),
    [
      {
        name: "SENKA_AUTH",
        title: mark("Who has to log in"),
        help: mark("Cameras and programs need a key where people have to log in."),
        words: { auto: mark("everybody but this computer"), required: mark("everybody"), off: mark("nobody") },
      },
      { name: "SENKA_SESSION_HOURS", title: mark("Log in again after"), as: "hours", help: mark("Shorter is safer where many people pass a tablet.") },
    ],
  ],
];

/** A value of a setting as people say it. */
export function inWords(row, value) {
  if (row.words) return row.words[value] ? t(row.words[value]) : make("code", { translate: "no" }, String(value));
  if (value === 0 && row.zero) return t(row.zero);
  const digits = Number.isInteger(value) ? 0 : 1;
  if (row.as === "days") return tn(value, "{count} day", "{count} days");
  if (row.as === "hours") return tn(value, "{count} hour", "{count} hours");
  if (row.as === "share") return exactShare(value);
  if (row.as === "ms") return t("{count} s", { count: number(value / 1000, value % 1000 ? 1 : 0) });
  if (row.as === "bytes") return make("span", { translate: "no" }, value >= 2 ** 30 ? `${number(value / 2 ** 30, 1)} GiB` : `${number(value / 2 ** 20)} MiB`);
  return number(value, digits);
}
