/** Colours and fonts of canvases, which take them from the style sheet. */
import { changed } from "./store.js";

/** @type {Record<string, string>} */
let known = {};

/**
 * Returns a value of `css/tokens.css`.
 * @param {string} name without its dashes
 */
export function colour(name) {
  known[name] ??= getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  return known[name];
}

/** Has canvases be painted again in other colours. */
export function repaint() {
  known = {};
  changed("colours");
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
