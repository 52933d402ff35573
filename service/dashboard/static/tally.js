// Counts and shares by grade.

import { clock, count, words } from "./words.js";

const FULL_BAR = 0.25; // a bar is full at the largest share, or at this one while all are small

export function tally() {
  const rows = document.querySelectorAll("tr[data-grade]");
  const at = (id) => document.getElementById(id);

  return (stats) => {
    const shares = Object.values(stats.grades).map((grade) => grade.share);
    const full = Math.max(FULL_BAR, ...shares);
    for (const row of rows) {
      const grade = stats.grades[row.dataset.grade];
      if (!grade) continue;
      fill(row, grade.count, grade.share);
      row.querySelector(".fill").style.setProperty("--part", String(grade.share / full));
    }
    fill(at("tally-manual"), stats.manual, stats.total ? stats.manual / stats.total : 0);
    at("tally-total").textContent = count(stats.total);
    at("tally-since").textContent = stats.first_received_at ? words.since(since(Date.parse(stats.first_received_at))) : "";
    at("tally-pace").textContent = count(Math.round(stats.per_minute));
    at("tally-sure").textContent = stats.total && stats.mean_confidence !== null ? words.percent(stats.mean_confidence) : words.none;
  };
}

/** The time of day, with the date where that is not today: the counts reach back to the first fruit on record. */
function since(moment) {
  const day = new Date(moment);
  const today = day.toDateString() === new Date().toDateString();
  const date = `${day.getFullYear()}-${String(day.getMonth() + 1).padStart(2, "0")}-${String(day.getDate()).padStart(2, "0")}`;
  return today ? clock(moment, 2) : `${date} ${clock(moment, 2)}`;
}

function fill(row, number, share) {
  row.dataset.empty = number ? "no" : "yes";
  row.querySelector(".count").textContent = count(number);
  row.querySelector(".share").textContent = words.percent(share);
}
