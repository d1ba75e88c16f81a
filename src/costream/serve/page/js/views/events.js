/** All events, the newest first. */
import { ask } from "../api.js";
import { arrange, fill, h } from "../dom.js";
import { EventRows } from "../event_row.js";
import { ignoreRefusal, listen, newestFirst, store } from "../store.js";
import { day } from "../words.js";

/** @typedef {import("../types.js").Event} Event */

const PAGE = 30;

/**
 * @typedef {object} Loaded
 * @property {string} query
 * @property {Event[]} events
 * @property {string | null} next
 */

/** @type {Loaded | null} what was loaded last, for those who come back to it */
let remembered = null;

/**
 * @param {import("../router.js").Route} route
 * @returns {import("../router.js").View}
 */
export function eventsView(route) {
  const list = new EventList(route.query, route.back);
  return { title: "Events", element: list.element, close: () => list.close(), ready: list.ready };
}

class EventList {
  /**
   * @param {URLSearchParams} query
   * @param {boolean} back
   */
  constructor(query, back) {
    this.query = query;
    this.rows = new EventRows();
    /** @type {Map<string, HTMLElement>} */
    this.lists = new Map();
    this.days = h("div", { class: "days" });
    this.more = h(
      "button",
      { type: "button", hidden: true, onclick: () => this.load() },
      "Show earlier events",
    );
    this.status = h("p", { class: "list-end", role: "status" });
    this.element = h(
      "section",
      { class: "events-page" },
      h("div", { class: "view-head" }, h("h1", {}, "Events"), this.filters()),
      this.days,
      this.status,
      this.more,
    );
    this.loading = false;
    /** @type {Loaded} */
    this.loaded = { query: String(query), events: [], next: "" };
    this.sight = new IntersectionObserver(([entry]) => entry.isIntersecting && this.load(), {
      rootMargin: "600px",
    });
    this.end = listen(["events", "cameras"], () => this.takeNews());
    this.ready = this.begin(back);
  }

  /** @param {boolean} back */
  async begin(back) {
    if (back && remembered?.query === this.loaded.query) {
      this.loaded = remembered;
      this.takeNews();
    } else {
      await this.load();
    }
    this.sight.observe(this.more);
  }

  close() {
    this.end();
    this.sight.disconnect();
  }

  async load() {
    const { loaded } = this;
    if (this.loading || loaded.next === null) return;
    this.loading = true;
    fill(this.status, "Loading…");
    try {
      const page = await ask(`api/events?${this.request(loaded.next)}`);
      loaded.events.push(...page.events);
      loaded.next = page.next;
    } catch (error) {
      ignoreRefusal(error);
      fill(this.status, error instanceof Error ? error.message : "");
      this.more.hidden = false;
      return;
    } finally {
      this.loading = false;
    }
    this.show();
    this.loadWhileSeen();
  }

  /** A short page leaves the button in sight, of which the observer tells only once. */
  loadWhileSeen() {
    this.sight.unobserve(this.more);
    this.sight.observe(this.more);
  }

  /** @param {string} cursor */
  request(cursor) {
    const request = new URLSearchParams({ limit: String(PAGE) });
    for (const name of ["camera", "question", "active"]) {
      const value = this.query.get(name);
      if (value) request.set(name, value);
    }
    if (cursor) request.set("cursor", cursor);
    return request;
  }

  takeNews() {
    const { loaded } = this;
    const known = new Map(loaded.events.map((event) => [event.id, event]));
    for (const event of [...store.latest, ...store.active.values()]) {
      if (known.has(event.id) || this.matches(event)) known.set(event.id, event);
    }
    const onlyLasting = this.query.get("active") === "true";
    loaded.events = [...known.values()]
      .filter((event) => !onlyLasting || event.end === null)
      .sort(newestFirst);
    this.show();
  }

  /** @param {Event} event */
  matches(event) {
    const { query } = this;
    const last = this.loaded.events[this.loaded.events.length - 1];
    return (
      [event.camera, null].includes(query.get("camera")) &&
      [event.question, null].includes(query.get("question")) &&
      (query.get("active") !== "true" || event.end === null) &&
      (this.loaded.next === null || (last !== undefined && event.start >= last.start))
    );
  }

  show() {
    const { events, next } = this.loaded;
    remembered = this.loaded;
    arrange(
      this.days,
      byDay(events).map(([name, list]) => this.day(name, list)),
    );
    this.more.hidden = next === null;
    if (events.length === 0 && next === null) fill(this.status, ...this.nothing());
    else fill(this.status, next === null ? "These are all." : "");
  }

  /**
   * @param {string} name
   * @param {Event[]} events
   */
  day(name, events) {
    const list = this.lists.get(name) ?? h("ul", { class: "event-list" });
    const section =
      list.parentElement ?? h("section", { "aria-label": name }, h("h2", {}, name), list);
    this.lists.set(name, list);
    arrange(
      list,
      events.map((event) => this.rows.row(event)),
    );
    return section;
  }

  nothing() {
    if (String(this.request("")) !== `limit=${PAGE}`) {
      return ["No event matches. ", h("a", { href: "#/events" }, "Show all events")];
    }
    return [
      "No events yet. One begins when a question's score reaches its threshold. ",
      h("a", { href: "#/setup" }, "See what is asked"),
    ];
  }

  filters() {
    const cameras = [...store.cameras.values()].map(({ id, name }) => [id, name]);
    const questions = Object.entries(store.questions).map(([id, { name, ask: text }]) => [
      id,
      name ?? text,
    ]);
    return h(
      "form",
      {
        class: "filters",
        "aria-label": "Which events",
        onsubmit: (/** @type {SubmitEvent} */ event) => event.preventDefault(),
      },
      this.choice("camera", "Camera", "All cameras", cameras),
      this.choice("question", "Question", "All questions", questions),
      h(
        "label",
        { class: "check" },
        h("input", {
          type: "checkbox",
          checked: this.query.get("active") === "true",
          onchange: (/** @type {any} */ event) =>
            this.filter("active", event.target.checked ? "true" : ""),
        }),
        "Only what lasts now",
      ),
    );
  }

  /**
   * @param {string} name
   * @param {string} label
   * @param {string} all
   * @param {string[][]} options
   */
  choice(name, label, all, options) {
    const chosen = this.query.get(name) ?? "";
    return h(
      "label",
      {},
      h("span", { class: "unseen" }, label),
      h(
        "select",
        { name, onchange: (/** @type {any} */ event) => this.filter(name, event.target.value) },
        [["", all], ...options].map(([value, text]) =>
          h("option", { value, selected: value === chosen }, text),
        ),
      ),
    );
  }

  /**
   * @param {string} name
   * @param {string} value
   */
  filter(name, value) {
    const query = new URLSearchParams(this.query);
    if (value) query.set(name, value);
    else query.delete(name);
    location.hash = String(query) ? `#/events?${query}` : "#/events";
  }
}

/**
 * @param {Event[]} events
 * @returns {[string, Event[]][]}
 */
function byDay(events) {
  /** @type {Map<string, Event[]>} */
  const days = new Map();
  for (const event of events) {
    const name = day(event.start);
    days.set(name, [...(days.get(name) ?? []), event]);
  }
  return [...days];
}
