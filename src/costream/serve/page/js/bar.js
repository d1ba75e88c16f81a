/** The bar: pages, what lasts now, theme, shortcuts and login. */
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { logOut } from "./live.js";
import { openLogin } from "./login.js";
import { PAGES } from "./pages.js";
import { openShortcuts } from "./shortcuts.js";
import { listen, store } from "./store.js";
import { themeButton } from "./themes.js";

export function startBar() {
  fill(
    byId("pages"),
    PAGES.map(([page, href, label, name]) =>
      h("a", { href, "data-page": page }, icon(name), h("span", {}, label)),
    ),
  );
  const lasting = h("a", { class: "now", href: "#/events?active=true", hidden: true });
  const help = h(
    "button",
    {
      class: "plain",
      type: "button",
      "aria-label": "Keyboard shortcuts",
      title: "Keyboard shortcuts (?)",
      onclick: openShortcuts,
    },
    icon("help"),
  );
  const login = h("button", { type: "button", class: "login" });
  fill(byId("bar-end"), lasting, themeButton(), help, login);
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
  fill(
    element,
    `${number} now`,
    h("span", { class: "unseen" }, number === 1 ? "1 event lasts" : `${number} events last`),
  );
}

/** @param {HTMLElement} element */
function showLogin(element) {
  element.hidden = !store.session.token;
  fill(element, icon("key"), h("span", {}, store.session.change ? "Log out" : "Log in"));
}
