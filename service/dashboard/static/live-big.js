// For a screen above the belt: the way between the pages goes, and everything grows. `?big=1` in the address keeps it so.

import { at } from "./dom.js";

export function bigScreen() {
  const button = at("big");

  function set(big) {
    if (big) document.body.dataset.big = "yes";
    else delete document.body.dataset.big;
    button.setAttribute("aria-pressed", String(big));
    const address = new URL(location.href);
    if (big) address.searchParams.set("big", "1");
    else address.searchParams.delete("big");
    history.replaceState(null, "", address);
  }

  button.addEventListener("click", async () => {
    const big = !document.body.dataset.big;
    set(big);
    // a browser that allows no full screen still shows the page big
    if (big) await document.documentElement.requestFullscreen?.().catch(() => {});
    else if (document.fullscreenElement) await document.exitFullscreen();
  });
  document.addEventListener("fullscreenchange", () => {
    if (!document.fullscreenElement) set(false);
  });
  if (new URLSearchParams(location.search).get("big") === "1") set(true);
}
