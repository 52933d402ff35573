// Camera keys: who may send photographs from another computer. A key that is revoked stays in the list, folded away.

import { all, ask, send } from "./api.js";
import { confirm } from "./dialog.js";
import { make } from "./dom.js";
import { day, moment, t } from "./i18n.js";
import { addressOf, button, entries, entry, head, MOST, named, nothing, trying } from "./settings-parts.js";
import { newKey, secretPanels } from "./settings-secret.js";
import { toast } from "./toast.js";

export const keysSection = {
  load: async () => {
    const [{ keys }, cameras] = await Promise.all([ask("/v1/keys"), all("/v1/cameras", "cameras", MOST)]);
    return { keys, cameras: cameras.map((camera) => camera.name) };
  },
  draw: ({ keys, cameras }, context) => {
    const add = button(t("New camera key"), () => newKey(context, null, null, cameras), "main");
    if (!keys.length) return [...secretPanels(context), nothing("sign-camera", t("No key yet"), t("A camera on another computer sends its photographs with a key."), add)];
    const good = keys.filter((key) => !key.revoked_at);
    const revoked = keys.filter((key) => key.revoked_at);
    return [
      ...secretPanels(context),
      head(t("A camera on another computer sends its photographs with a key. One for each camera is best: then it can be revoked alone."), add),
      good.length > 0 && entries(good.map((key) => shown(key, context))),
      revoked.length > 0 &&
        make("details", {}, make("summary", {}, t("Revoked keys: {count}", { count: revoked.length })), entries(revoked.map((key) => shown(key, context)))),
    ];
  },
};

function shown(key, context) {
  return entry({
    name: key.name,
    key: key.prefix,
    facts: [
      make("code", { translate: "no" }, key.prefix),
      key.camera ? make("span", {}, t("only camera"), " ", named(key.camera)) : t("any camera"),
      make("span", {}, t("made {time} by", { time: day(key.created_at) }), " ", named(key.created_by)),
      key.last_used_at ? t("last used {time}", { time: moment(key.last_used_at) }) : t("never used"),
      key.revoked_at && t("revoked {time}", { time: moment(key.revoked_at) }),
    ],
    muted: Boolean(key.revoked_at),
    buttons: [!key.revoked_at && button(t("Revoke"), () => revoking(key, context.again))],
  });
}

/** Asks, and takes a key away for good. */
export async function revoking(key, after) {
  const sure = await confirm({
    title: t("Revoke the key {name}?", { name: key.name }),
    what: [t("Whoever sends photographs with it is refused from now on. This cannot be undone; a new key can be made.")],
    yes: t("Revoke"),
    danger: true,
  });
  if (!sure) return;
  await trying(async () => {
    await send("DELETE", addressOf("keys", key.prefix));
    toast(t("Revoked."));
  }, after);
}
