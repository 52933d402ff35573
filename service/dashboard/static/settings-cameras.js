// Cameras: on which line each is, when it was seen last, and the keys that speak for it.

import { all, ask, send } from "./api.js";
import { make } from "./dom.js";
import { moment, t } from "./i18n.js";
import { revoking } from "./settings-keys.js";
import {
  addressOf, asking, button, deleting, entries, entry, field, head, keyed, MOST, nameFrom, named, noteField, nothing, sentence, textField, trimmed, trying,
} from "./settings-parts.js";
import { keep, makeKey, newKey, secretPanels } from "./settings-secret.js";

export const camerasSection = {
  load: async () => {
    const [cameras, lines] = await Promise.all([all("/v1/cameras", "cameras", MOST), all("/v1/lines", "lines", MOST)]);
    return { cameras, lines: lines.map((line) => line.name) };
  },
  draw: ({ cameras, lines }, context) => {
    const add = context.changes && button(t("Add a camera"), () => adding(lines, context), "main");
    if (!cameras.length) {
      const help = t("A camera is entered here and gets its key, with which it sends photographs. On the grading computer itself it needs none, unless everybody has to log in.");
      return [...secretPanels(context), nothing("sign-camera", t("No camera yet"), help, add)];
    }
    const about = t("A camera takes photographs of one line. On another computer it needs a key; on this one too, where everybody has to log in.");
    return [...secretPanels(context), head(about, add), entries(cameras.map((camera) => shown(camera, lines, context)))];
  },
};

function shown(camera, lines, context) {
  const seen = camera.last_seen_at ? t("last photograph {time}", { time: moment(camera.last_seen_at) }) : t("no photograph yet");
  const remove = () =>
    deleting({
      path: addressOf("cameras", camera.name),
      title: t("Delete camera {name}?", { name: camera.name }),
      what: [t("This is only possible while no grading names it."), camera.keys.length && t("Its keys stay good: revoke them too.")].filter(Boolean),
      yes: t("Delete"),
      done: t("Deleted."),
      after: context.again,
    });
  return entry({
    name: camera.name,
    facts: [camera.line ? make("span", {}, t("Line"), " ", named(camera.line)) : t("no line"), seen],
    note: camera.note,
    more: keysOf(camera, context),
    buttons: [
      context.changes && button(t("Change"), () => changing(camera, lines, context)),
      context.admin && button(t("New key"), () => newKey(context, camera.name, camera.line)),
      context.changes && button(t("Delete"), remove),
    ],
  });
}

function keysOf(camera, context) {
  if (!camera.keys.length) return make("p", { class: "entry-facts" }, t("no key of its own"));
  return make(
    "ul",
    { class: "entry-keys" },
    camera.keys.map((prefix) =>
      make(
        "li",
        {},
        t("Key"),
        " ",
        make("code", { translate: "no" }, prefix),
        context.admin && keyed(button(t("Revoke"), () => revoke(prefix, context), "small"), `revoke ${prefix}`),
      ),
    ),
  );
}

async function revoke(prefix, context) {
  let key = null;
  const found = async () => (key = await ask(addressOf("keys", prefix)));
  await trying(found, () => key && revoking(key, context.again));
}

const lineField = (line, lines) =>
  field(t("Line (may stay empty)"), make("span", {}, nameFrom("line", line, lines)), t("A line of a new name is entered too."));

function adding(lines, context) {
  let entered = null; // where its key could not be made, a second try must not enter the camera again
  return asking({
    title: t("Add a camera"),
    fields: [
      field(t("Name of the camera"), textField("name", "", { required: true }), t("As it names itself in what it sends, such as line1-top.")),
      lineField("", lines),
      noteField(),
      context.admin
        ? make("label", { class: "check" }, make("input", { type: "checkbox", name: "key", checked: true }), t("Make its key too"))
        : sentence(t("An admin makes its key."), { class: "quiet" }),
    ],
    yes: t("Add"),
    submit: async (values) => {
      const name = values.name.trim();
      const line = trimmed(values.line);
      if (entered !== name) {
        await send("POST", "/v1/cameras", { name, line, note: trimmed(values.note) });
        entered = name;
      }
      return { line, made: values.key ? await makeKey(name, name) : null };
    },
    done: t("Saved."),
    after: ({ made, line }) => (made ? keep(context, made, line) : context.again()),
  });
}

const changing = (camera, lines, context) =>
  asking({
    title: t("Change a camera"),
    fields: [make("p", {}, named(camera.name)), lineField(camera.line, lines), noteField(camera.note)],
    yes: t("Save"),
    submit: (values) => send("PATCH", addressOf("cameras", camera.name), { line: trimmed(values.line), note: trimmed(values.note) }),
    done: t("Saved."),
    after: context.again,
  });
