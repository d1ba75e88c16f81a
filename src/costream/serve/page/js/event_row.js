/** An event in a list. */
import { eventPath } from "./api.js";
import { lasting, since } from "./clock.js";
import { arrange, fill, h, say } from "./dom.js";
import { cameraName, questionName } from "./store.js";
import { clock, duration, score } from "./words.js";

/** @typedef {import("./types.js").Event} Event */

/** @typedef {{compact?: boolean, here?: boolean}} Options */

/** Rows of events, each made once: what changes is changed in it, so that its link keeps the focus. */
export class EventRows {
  /** @param {Options} [options] `compact` leaves out the sentence, `here` the camera */
  constructor(options = {}) {
    this.options = options;
    /** @type {Map<string, EventRow>} */
    this.known = new Map();
  }

  /**
   * Returns rows of these events, and forgets all others.
   * @param {Event[]} events
   */
  only(events) {
    const ids = new Set(events.map(({ id }) => id));
    for (const id of this.known.keys()) if (!ids.has(id)) this.known.delete(id);
    return events.map((event) => this.row(event));
  }

  /**
   * @param {Event} event
   * @returns {HTMLElement}
   */
  row(event) {
    const row = this.known.get(event.id) ?? new EventRow(event.id, this.options);
    this.known.set(event.id, row);
    row.update(event);
    return row.element;
  }
}

class EventRow {
  /**
   * @param {string} id
   * @param {Options} options
   */
  constructor(id, options) {
    this.options = options;
    this.shown = "";
    this.name = h("a", { class: "event-name", href: `#/events/${encodeURIComponent(id)}` });
    this.still = false;
    this.thumb = thumbnail(id, this.still);
    this.words = h("div", { class: "event-words" }, this.name);
    this.facts = h("div", { class: "event-facts" });
    this.element = h("li", { "data-event": id }, this.thumb, this.words, this.facts);
  }

  /** @param {Event} event */
  update(event) {
    const shown = JSON.stringify([event, place(event), questionName(event)]);
    if (shown === this.shown) return;
    this.shown = shown;
    this.element.className = event.end === null ? "event active" : "event";
    say(this.name, questionName(event));
    arrange(this.words, [this.name, ...words(event, this.options)]);
    fill(this.facts, facts(event, this.options));
    if (event.still !== this.still) this.showThumbnail(event);
  }

  /** @param {Event} event */
  showThumbnail({ id, still }) {
    const thumb = thumbnail(id, still);
    this.thumb.replaceWith(thumb);
    this.thumb = thumb;
    this.still = still;
  }
}

/**
 * @param {Event} event
 * @param {Options} options
 */
function words(event, { compact = false, here = false }) {
  const where = h("p", { class: "event-place" }, here ? event.zone : place(event));
  return compact || !event.sentence ? [where] : [where, modelWords(event.sentence)];
}

/**
 * @param {Event} event
 * @param {Options} options
 */
function facts(event, { compact = false }) {
  return [
    h(
      "p",
      {},
      since(event.start),
      !compact && h("span", { class: "absolute" }, clock(event.start)),
    ),
    h("p", { class: "event-length" }, length(event)),
    h("p", { class: "event-score" }, `peak ${score(event.score)}`),
  ];
}

/** @param {Event} event */
const place = (event) =>
  event.zone ? `${cameraName(event.camera)}, ${event.zone}` : cameraName(event.camera);

/**
 * Returns what the model said, marked as its words.
 * @param {string} text
 */
export const modelWords = (text) =>
  h(
    "p",
    { class: "model-words" },
    h("span", { class: "unseen" }, "In the model's words: "),
    h("q", {}, text),
  );

/** @param {Event} event */
function length(event) {
  if (event.end === null) return [h("strong", {}, "Now"), " for ", lasting(event.start)];
  return [duration(event.end - event.start)];
}

/**
 * @param {string} id
 * @param {boolean} still whether there is one
 * @returns {HTMLElement}
 */
function thumbnail(id, still) {
  if (!still) return h("div", { class: "thumb empty-thumb" }, "No still");
  return h("img", {
    class: "thumb",
    src: `${eventPath(id)}/still.jpg`,
    alt: "",
    loading: "lazy",
    width: 160,
    height: 90,
    decoding: "async",
  });
}
