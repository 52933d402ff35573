// Every word that the scripts put on the page, and how figures are written. A translation replaces this one object;
// grade letters are never translated.

export const words = {
  phase: {
    connecting: "Connecting",
    running: "Running",
    waiting: "Waiting for fruit",
    lost: "Not connected",
    no_model: "No model yet",
    stopping: "Stopping",
  },
  kind: { straight: "straight", bent: "bent", misshapen: "misshapen" },
  reason: {
    low_confidence: "not sure enough",
    not_a_cucumber: "does not look like a cucumber",
    partly_visible: "not all of it in the picture",
    rule_disagrees: "its measures say another grade",
    deadline_missed: "graded too late",
  },
  justNow: "just now",
  ago: (time) => `${time} ago`,
  lastFruit: (time) => `last fruit ${time} ago`,
  lastData: (time) => `last data ${time} ago`,
  quiet: (time) => `no fruit for ${time}`,
  seconds: (count) => `${count} s`,
  minutes: (count) => `${count} min`,
  hours: (hours, minutes) => `${hours} h ${minutes} min`,
  days: (count) => (count === 1 ? "1 day" : `${count} days`),
  percent: (share) => `${Math.round(share * 100)} %`,
  sure: (share) => `${words.percent(share)} sure`,
  secondChoice: (grade, share) => `second choice ${grade}, ${words.percent(share)}`,
  secondShort: (grade, share) => `${grade} ${words.percent(share)}`,
  noGrade: "no grade",
  photo: (grade) => `cucumber graded ${grade}`,
  photoUngraded: "cucumber without a grade",
  why: (grade) => `Why? The reasons for the grade ${grade}`,
  since: (time) => `since ${time}`,
  model: (name, version) => `${name}, version ${version}`,
  none: "–",
  spokenFruit: (grade, manual) => (manual ? `${grade}, manual lane` : grade),
};

const counts = new Intl.NumberFormat("en");

/** 12345 -> "12,345" */
export function count(value) {
  return counts.format(value);
}

/** Milliseconds -> "2 s", "3 min", "1 h 5 min", "2 days": as coarse as a glance needs. */
export function duration(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 60) return words.seconds(seconds);
  const minutes = Math.floor(seconds / 60);
  if (minutes < 60) return words.minutes(minutes);
  const hours = Math.floor(minutes / 60);
  return hours < 24 ? words.hours(hours, minutes % 60) : words.days(Math.floor(hours / 24));
}

/** A moment (ms since 1970) -> "14:02:09" by this tablet's clock; `fields` 2 leaves the seconds out. */
export function clock(moment, fields = 3) {
  const at = new Date(moment);
  return [at.getHours(), at.getMinutes(), at.getSeconds()]
    .slice(0, fields)
    .map((part) => String(part).padStart(2, "0"))
    .join(":");
}

/** A reason's code -> words. A code that this page does not know yet is shown rather than hidden. */
export function reason(code) {
  return words.reason[code] ?? code.replaceAll("_", " ");
}
