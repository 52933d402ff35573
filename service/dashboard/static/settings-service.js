// How the service is set up, to be read: what matters on a farm in words and first, all the rest with the service's own sentences.

import { ask } from "./api.js";
import { make } from "./dom.js";
import { t } from "./i18n.js";
import { sentence } from "./settings-parts.js";
import { GROUPS, inWords } from "./settings-service-words.js";

export const serviceSection = {
  load: async () => (await ask("/v1/settings")).settings,
  draw: (settings) => {
    const byName = new Map(settings.map((setting) => [setting.name, setting]));
    const named = new Set(GROUPS.flatMap(([, rows]) => rows.map((row) => row.name)));
    const others = settings.filter((setting) => !named.has(setting.name));
    return [
      sentence(
        t("These are set where the service is started: in the environment, or in `senka.toml` in its working folder. They hold from its next start on."),
      ),
      ...GROUPS.map(([title, rows]) => group(t(title), rows.filter((row) => byName.has(row.name)).map((row) => known(row, byName.get(row.name))))),
      make("details", { class: "panel" }, make("summary", {}, t("All other settings: {count}", { count: others.length })), make("dl", { class: "settings-list" }, others.flatMap(other))),
    ];
  },
};

const group = (title, rows) => make("div", { class: "panel" }, make("h3", {}, title), make("dl", { class: "settings-list" }, rows.flat()));

const changed = (setting) => JSON.stringify(setting.value) !== JSON.stringify(setting.default);

const chip = (setting) => changed(setting) && make("span", { class: "chip" }, t("set here"));

const known = (row, setting) => [
  make("dt", {}, make("b", {}, t(row.title)), make("code", {}, setting.name)),
  make("dd", {}, make("p", { class: "value" }, inWords(row, setting.value), chip(setting)), make("p", { class: "quiet" }, t(row.help))),
];

const other = (setting) => [
  make("dt", {}, make("code", {}, setting.name)),
  make("dd", {}, make("p", { class: "value" }, raw(setting.value), chip(setting)), make("p", { class: "quiet", lang: "en" }, setting.help)),
];

function raw(value) {
  const empty = value === null || value === "" || (Array.isArray(value) && !value.length);
  return empty ? make("span", { class: "quiet" }, t("not set")) : make("code", { translate: "no" }, Array.isArray(value) ? value.join(", ") : String(value));
}
