// What this device alone remembers: its language, light or dark, and whether alarms are heard.

import { make } from "./dom.js";
import { language, mark, switchTo, t } from "./i18n.js";
import { button, sentence } from "./settings-parts.js";
import { applyTheme } from "./shell.js";
import { beep, keepSound, soundOn } from "./sound.js";

const THEME = "senka_theme";
const THEMES = [
  ["", mark("As the tablet")],
  ["light", mark("Light")],
  ["dark", mark("Dark")],
];

export const deviceSection = {
  load: async () => ({}),
  draw: (_, context) => [
    sentence(t("This is kept on this device only. Others go by their own.")),
    choice(t("Language"), languages()),
    choice(t("Light or dark"), THEMES.map(([value, word]) => one(t(word), value === (localStorage.getItem(THEME) ?? ""), () => choose(value, context)))),
    sound(context),
  ],
};

function choice(title, buttons) {
  return make("div", { class: "panel" }, make("h3", {}, title), make("div", { class: "tabs", role: "group", "aria-label": title }, buttons));
}

const one = (word, pressed, run, properties = {}) => make("button", { type: "button", "aria-pressed": String(pressed), onclick: run, ...properties }, word);

const languages = () => [
  one("日本語", language() === "ja", () => switched("ja"), { lang: "ja" }),
  one("English", language() === "en", () => switched("en"), { lang: "en" }),
];

async function switched(wanted) {
  await switchTo(wanted);
  document.querySelector(`#section-place button[lang="${wanted}"]`).focus();
}

function choose(theme, context) {
  if (theme) localStorage.setItem(THEME, theme);
  else localStorage.removeItem(THEME);
  applyTheme();
  context.draw();
  const index = THEMES.findIndex(([value]) => value === theme);
  document.querySelectorAll("#section-place .tabs")[1].children[index].focus();
}

function sound(context) {
  const on = make("input", { type: "checkbox", name: "sound", checked: soundOn() });
  on.addEventListener("change", () => {
    keepSound(on.checked);
    context.draw();
    document.querySelector("#section-place [name=sound]").focus();
  });
  const hear = button(t("Try the sound"), () => beep("warning"));
  hear.disabled = !soundOn();
  return make(
    "div",
    { class: "panel" },
    make("h3", {}, t("Sound of alarms")),
    make("div", { class: "buttons" }, make("label", { class: "check" }, on, t("A new alarm is heard here")), hear),
    sentence(t("A browser lets a page be heard only after somebody has tapped it once."), { class: "quiet" }),
  );
}
