/**
 * Turns any number of calls into at most one drawing each `gapMs` (a number, or a function that tells it), on an animation frame:
 * a hundred fruit a second must neither flicker nor heat the tablet, and a page in the background draws nothing at all. The first
 * call draws at once.
 */
export function coalesce(gapMs, draw) {
  let asked = false;
  let drawnAt = -Infinity;
  return () => {
    if (asked) return;
    asked = true;
    const wait = Math.max(0, drawnAt + (gapMs instanceof Function ? gapMs() : gapMs) - performance.now());
    setTimeout(() => requestAnimationFrame(() => {
      asked = false;
      drawnAt = performance.now();
      draw();
    }), wait);
  };
}
