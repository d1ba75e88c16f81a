/** Colours and the font of canvases, which take them from the style sheet. */
import { changed } from "./store.js";

/** @type {Record<string, string>} */
let known = {};

/**
 * Returns a colour of `css/tokens.css` as it is in the present theme.
 * @param {string} name without its dashes
 */
export function colour(name) {
  known[name] ??= resolved(name);
  return known[name];
}

/** @param {string} name */
function resolved(name) {
  const probe = document.createElement("i");
  probe.style.color = `var(--${name})`;
  document.body.append(probe);
  const { color } = getComputedStyle(probe);
  probe.remove();
  return color;
}

/**
 * Returns the page's font.
 * @param {string} size such as `12px`
 */
export const font = (size) => `${size} ${getComputedStyle(document.body).fontFamily}`;

/** Has canvases be painted again in other colours. */
export function repaint() {
  known = {};
  changed("colours");
}

matchMedia("(prefers-color-scheme: dark)").addEventListener("change", repaint);
