// Figures of the chapters in as few signs as their place has, and the few words that several chapters share.

import { language, number, t } from "./i18n.js";

/** Stands where there is no figure. */
export const NONE = "–";

const minus = (text) => text.replace("-", "−");
const placesFor = (value, digits) => Math.max(0, digits - 1 - Math.floor(Math.log10(Math.abs(value))));

/** 6624904 -> "6.62 M" in English, "662万" in Japanese: as tables of networks give them. */
export function big(value) {
  if (value < 1e6) return number(value);
  const [unit, sign] = language() !== "ja" ? [1e6, "\u00a0M"] : value >= 1e8 ? [1e8, "億"] : [1e4, "万"];
  return number(value / unit, placesFor(value / unit, 3)) + sign;
}

/** 0.29412 -> "0.294", 0.3 -> "0.3": three digits, fewer where the rest is 0. */
export const cut = (value) => minus(String(Number(value.toPrecision(3))));

/** A number in as few signs as a small cell takes: 1.25, 0.031, 12.5. */
export function figure(value) {
  const size = Math.abs(value);
  if (size === 0) return "0";
  if (size < 0.0005) return value < 0 ? "−0" : "+0";
  return minus(number(value, size < 1 ? 3 : size < 10 ? 2 : size < 100 ? 1 : 0));
}

/** A number with as many places as comparing asks for. */
export const precise = (value) => minus(number(value, 6));

/** A difference: 0, or 3.1e-7. */
export const difference = (value) => (value === 0 ? "0" : minus(value.toExponential(1)));

/** A place of a map, counted from 1. */
export const cellWord = (y, x) => t("row {row}, column {column}", { row: y + 1, column: x + 1 });

/** A map of a layer, by the number that the network gives it. */
export const channelWord = (channel) => t("channel {number}", { number: channel });
