// What every page has around it: the language, whoever is logged in, the alarms, and whether the service is there. A page that
// watches the line itself passes its alarms and its connection on; on all others this watches.

import { showAlarms } from "./alarms.js";
import { at } from "./dom.js";
import { openFeed } from "./feed.js";
import { language, switchTo } from "./i18n.js";
import "./session.js";

const root = document.documentElement.dataset.root;
const LINKS = { open: "ready", lost: "lost" };

/** A person's choice of light or dark, on this device; without one it follows the tablet. */
export function applyTheme(theme = localStorage.getItem("senka_theme")) {
  if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  else delete document.documentElement.dataset.theme;
}

for (const button of document.querySelectorAll("[data-language]"))
  button.addEventListener("click", () => switchTo(language() === "ja" ? "en" : "ja"));

export const alarms = showAlarms(at("alarms"));

if (!document.body.hasAttribute("data-own-feed")) {
  const state = { link: "connecting", health: "ready" };
  const show = () => {
    const phase =
      state.link === "open" && state.health === "draining" ? "stopping"
      : state.link === "open" && state.health === "model_not_ready" ? "no_model"
      : (LINKS[state.link] ?? "connecting");
    document.body.dataset.phase = phase;
    document.body.dataset.stale = phase === "lost" ? "yes" : "no";
  };
  openFeed(root, { only: "alarm,model" }, {
    link(link) {
      if (link !== state.link) document.dispatchEvent(new CustomEvent("senka:link", { detail: link }));
      state.link = link;
      show();
    },
    health(health) {
      state.health = health;
      show();
    },
    alarm: alarms.take,
    clock: alarms.clock,
    refresh: alarms.refresh,
  });
}

// answers of a review that could not be sent yet go out from whatever page is open; most devices have none
try {
  const waits = Object.keys(localStorage).some((key) => key.startsWith("senka_review/"));
  if (waits) import("./review-send.js").then(({ sendRest }) => sendRest());
} catch {
  // a browser that keeps nothing has nothing to send
}
