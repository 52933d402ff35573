// What the record of changes says, in words: actions, kinds of them to choose from, and what was changed in detail.

import { make } from "./dom.js";
import { mark, moment, t } from "./i18n.js";

/** The filter: all actions that begin so. */
export const KINDS = {
  "correction.": mark("corrections"),
  "lot.": mark("lots"),
  "line.": mark("lines"),
  "camera.": mark("cameras"),
  "grower.": mark("growers"),
  "farm.": mark("the farm"),
  "user.": mark("users"),
  "login.": mark("logging in"),
  "key.": mark("camera keys"),
  "model.": mark("models"),
  "retraining.": mark("retrainings"),
  "batch.": mark("labelled batches"),
  "alarm.": mark("alarms"),
};

export const ACTIONS = {
  "correction.made": mark("corrected the grading"),
  "correction.undone": mark("undid the correction of"),
  "lot.added": mark("entered the lot"),
  "lot.changed": mark("changed the lot"),
  "lot.deleted": mark("deleted the lot"),
  "lot.reassigned": mark("moved fruit out of the lot"),
  "line.added": mark("entered the line"),
  "line.changed": mark("changed the line"),
  "line.deleted": mark("deleted the line"),
  "camera.added": mark("entered the camera"),
  "camera.changed": mark("changed the camera"),
  "camera.deleted": mark("deleted the camera"),
  "grower.added": mark("entered the grower"),
  "grower.changed": mark("changed the grower"),
  "grower.deleted": mark("deleted the grower"),
  "farm.changed": mark("changed what is said of the farm:"),
  "user.added": mark("added the user"),
  "user.disabled": mark("disabled the user"),
  "user.enabled": mark("let in again the user"),
  "user.password_set": mark("set the password of"),
  "user.pin_set": mark("set the PIN of"),
  "user.pin_removed": mark("took away the PIN of"),
  "user.role_changed": mark("changed the role of"),
  "login.succeeded": mark("logged in:"),
  "login.failed": mark("failed to log in:"),
  "key.added": mark("made the key"),
  "key.revoked": mark("revoked the key"),
  "model.promoted": mark("promoted a version of the model"),
  "model.rolled_back": mark("rolled back the model"),
  "retraining.started": mark("started the retraining"),
  "retraining.cancelled": mark("cancelled the retraining"),
  "retraining.resumed": mark("went on with the retraining"),
  "batch.added": mark("added the labelled batch"),
  "alarm.acknowledged": mark("has seen the alarm"),
};

const FIELDS = {
  address: mark("address"),
  by: mark("by"),
  camera: mark("camera"),
  closed_at: mark("ended"),
  from: mark("before"),
  grade: mark("grade"),
  gradings: mark("gradings"),
  grower: mark("grower"),
  line: mark("line"),
  lot: mark("lot"),
  name: mark("name"),
  note: mark("note"),
  password: mark("password"),
  photographs: mark("photographs"),
  pin: mark("PIN"),
  prefix: mark("key"),
  role: mark("role"),
  since: mark("from"),
  time_zone: mark("time zone"),
  to: mark("now"),
  until: mark("to"),
  with: mark("with"),
};

/** Fields whose values are moments. */
const MOMENTS = ["since", "until", "closed_at"];

/** "lot.changed" -> words. One that is not here yet is shown as it is. */
export const actionWord = (action) => (ACTIONS[action] ? t(ACTIONS[action]) : make("code", {}, action));

/** What a line says beside its subject: a list of lists of nodes. */
export const details = (detail) =>
  Object.entries(detail)
    .filter(([, value]) => value !== null)
    .map(([name, value]) => [FIELDS[name] ? t(FIELDS[name]) : make("code", {}, name), ": ", ...shown(value, MOMENTS.includes(name))]);

function shown(value, isMoment) {
  const pair = value && typeof value === "object" && "from" in value && "to" in value && Object.keys(value).length === 2;
  return pair ? [plain(value.from, isMoment), " → ", plain(value.to, isMoment)] : [plain(value, isMoment)];
}

function plain(value, isMoment) {
  if (value === null || value === "") return "–";
  if (value === true) return t("yes");
  if (value === false) return t("no");
  if (isMoment && !Number.isNaN(Date.parse(value))) return moment(value);
  if (typeof value === "object") return make("code", { translate: "no" }, JSON.stringify(value));
  return make("span", { translate: "no" }, String(value));
}
