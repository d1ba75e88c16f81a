/** Views by the part of the address after `#`, with places kept for those who come back. */
import { byId, fill } from "./dom.js";

/**
 * @typedef {object} View
 * @property {string} title
 * @property {Node} element
 * @property {() => void} [close]
 * @property {Promise<unknown>} [ready] until its place can be found again
 *
 * @typedef {object} Route
 * @property {string[]} path
 * @property {URLSearchParams} query
 * @property {boolean} back whether somebody came back to it
 *
 * @typedef {{scroll: number, link: string | null}} Place
 */

export class Router {
  /** @param {(route: Route) => View} open */
  constructor(open) {
    this.open = open;
    /** @type {View | null} */
    this.view = null;
    /** @type {Map<number, Place>} */
    this.places = new Map();
    this.entry = 0;
    history.scrollRestoration = "manual";
    addEventListener("hashchange", () => this.follow());
  }

  /** Shows what the address says, and moves the focus there unless the page just began. */
  follow() {
    const begun = this.view !== null;
    if (begun) this.places.set(this.entry, here());
    const known = history.state?.entry;
    this.entry = known ?? Date.now();
    if (!known) history.replaceState({ entry: this.entry }, "");
    this.show(begun, this.places.get(this.entry));
  }

  /** Shows the same again, as after a login. */
  reload() {
    this.show(true, here());
  }

  /**
   * @param {boolean} begun
   * @param {Place | undefined} place
   */
  async show(begun, place) {
    this.view?.close?.();
    const view = this.open({ ...parsed(location.hash), back: Boolean(place) });
    this.view = view;
    fill(byId("main"), view.element);
    markPage();
    if (!begun) return;
    if (!place) return this.arrive();
    await view.ready;
    if (this.view === view) this.comeBack(place);
  }

  arrive() {
    scrollTo(0, 0);
    const heading = byId("main").querySelector("h1");
    heading?.setAttribute("tabindex", "-1");
    heading?.focus({ preventScroll: true });
  }

  /** @param {Place} place */
  comeBack({ scroll, link }) {
    scrollTo(0, scroll);
    /** @type {HTMLElement | null} */
    const left = link ? byId("main").querySelector(`a[href="${CSS.escape(link)}"]`) : null;
    left?.focus({ preventScroll: true });
  }
}

/**
 * @param {string} hash
 * @returns {{path: string[], query: URLSearchParams}}
 */
function parsed(hash) {
  const [path, query = ""] = hash.replace(/^#\/?/, "").split("?", 2);
  return {
    path: path.split("/").filter(Boolean).map(unescaped),
    query: new URLSearchParams(query),
  };
}

/** @param {string} part */
function unescaped(part) {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** @returns {Place} */
const here = () => ({
  scroll: scrollY,
  link: document.activeElement?.getAttribute("href") ?? null,
});

function markPage() {
  const page = location.hash.replace(/^#\/?/, "").split(/[/?]/)[0];
  const current = page === "" ? "cameras" : page;
  for (const link of byId("pages").querySelectorAll("a")) {
    if (link.dataset.page === current) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}
