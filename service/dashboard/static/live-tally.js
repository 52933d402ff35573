// Counts and shares by grade.

import { at } from "./dom.js";
import { moment, number, percent, t } from "./i18n.js";

const FULL_BAR = 0.25; // a bar is full at the largest share, or at this one while all are small

export function tally() {
  const rows = document.querySelectorAll("tr[data-grade]");

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
    at("tally-total").textContent = number(stats.total);
    at("tally-since").textContent = stats.first_received_at ? t("since {time}", { time: moment(stats.first_received_at) }) : "";
  };
}

function fill(row, count, share) {
  row.dataset.empty = count ? "no" : "yes";
  row.querySelector(".count").textContent = number(count);
  row.querySelector(".share").textContent = percent(share);
}
