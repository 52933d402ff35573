// Light or dark as chosen on this device, before anything is drawn. A classic script, so that the browser waits for it.

try {
  const chosen = localStorage.getItem("senka_theme");
  if (chosen === "light" || chosen === "dark") document.documentElement.dataset.theme = chosen;
} catch {
  // a browser that keeps nothing follows the tablet
}
