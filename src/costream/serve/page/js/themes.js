/** The theme: as the system has it, or as was chosen. `theme.js` sets it before the first paint. */
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { repaint } from "./palette.js";

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const THEME_ICONS = /** @type {const} */ ({ auto: "auto", light: "sun", dark: "moon" });
const THEME_WORDS = { auto: "as the system", light: "light", dark: "dark" };

const button = h("button", { class: "plain", type: "button", onclick: nextTheme });

/** Returns the button that changes the theme. */
export function themeButton() {
  showTheme();
  return button;
}

/** @returns {(typeof THEMES)[number]} */
function theme() {
  const chosen = document.documentElement.dataset.theme;
  return THEMES.find((name) => name === chosen) ?? "auto";
}

/** Goes on to the next theme: as the system has it, light, dark. */
export function nextTheme() {
  const next = THEMES[(THEMES.indexOf(theme()) + 1) % THEMES.length];
  if (next === "auto") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = next;
  localStorage.setItem("costream.theme", next);
  showTheme();
  repaint();
}

function showTheme() {
  const words = `Theme: ${THEME_WORDS[theme()]}`;
  button.setAttribute("aria-label", words);
  button.setAttribute("title", words);
  fill(button, icon(THEME_ICONS[theme()]));
}
