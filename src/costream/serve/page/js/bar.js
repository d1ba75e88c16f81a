/** The bar: pages, what lasts now, theme, shortcuts and login. */
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { logOut } from "./live.js";
import { openLogin } from "./login.js";
import { repaint } from "./palette.js";
import { openShortcuts } from "./shortcuts.js";
import { listen, store } from "./store.js";

/** @type {[string, string, string, import("./icons.js").IconName][]} */
export const PAGES = [
  ["cameras", "#/", "Cameras", "cameras"],
  ["events", "#/events", "Events", "events"],
  ["savings", "#/savings", "Savings", "savings"],
  ["setup", "#/setup", "Setup", "setup"],
];

const THEMES = /** @type {const} */ (["auto", "light", "dark"]);
const THEME_ICONS = /** @type {const} */ ({ auto: "auto", light: "sun", dark: "moon" });
const THEME_WORDS = { auto: "as the system", light: "light", dark: "dark" };

export function startBar() {
  fill(
    byId("pages"),
    PAGES.map(([page, href, label, name]) => h("a", { href, "data-page": page }, icon(name), h("span", {}, label))),
  );
  const lasting = h("a", { class: "now", href: "#/events?active=true", hidden: true });
  const theme = h("button", { class: "plain", type: "button", id: "theme", onclick: nextTheme });
  const help = h(
    "button",
    { class: "plain", type: "button", "aria-label": "Keyboard shortcuts", title: "Keyboard shortcuts (?)", onclick: openShortcuts },
    icon("help"),
  );
  const login = h("button", { type: "button", class: "login" });
  fill(byId("bar-end"), lasting, theme, help, login);
  showTheme();
  listen(["events"], () => showLasting(lasting));
  listen(["session"], () => showLogin(login));
  login.addEventListener("click", () => (store.session.change ? logOut() : openLogin()));
  byId("skip").addEventListener("click", (event) => {
    event.preventDefault();
    byId("main").focus();
  });
}

/** @param {HTMLElement} element */
function showLasting(element) {
  const number = store.active.size;
  element.hidden = number === 0;
  fill(element, `${number} now`, h("span", { class: "unseen" }, number === 1 ? "1 event lasts" : `${number} events last`));
}

/** @param {HTMLElement} element */
function showLogin(element) {
  element.hidden = !store.session.token;
  fill(element, icon("key"), h("span", {}, store.session.change ? "Log out" : "Log in"));
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
  const button = byId("theme");
  button.setAttribute("aria-label", words);
  button.setAttribute("title", words);
  fill(button, icon(THEME_ICONS[theme()]));
}
