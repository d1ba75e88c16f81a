/** An event in a list. */
import { eventPath } from "./api.js";
import { lasting, since } from "./clock.js";
import { h } from "./dom.js";
import { cameraName, questionName } from "./store.js";
import { clock, duration, score } from "./words.js";

/** @typedef {import("./types.js").Event} Event */

/** @typedef {{compact?: boolean, here?: boolean}} Options */

/** Rows of events, each made once, and again when something of it is different. */
export class EventRows {
  /** @param {Options} [options] `compact` leaves out the sentence, `here` the camera */
  constructor(options = {}) {
    this.options = options;
    /** @type {Map<string, {state: string, row: HTMLElement}>} */
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
    const state = JSON.stringify([event, place(event), questionName(event)]);
    const known = this.known.get(event.id);
    if (known?.state === state) return known.row;
    const row = eventRow(event, this.options);
    this.known.set(event.id, { state, row });
    return row;
  }
}

/**
 * @param {Event} event
 * @param {Options} options
 */
function eventRow(event, { compact = false, here = false }) {
  const href = `#/events/${encodeURIComponent(event.id)}`;
  return h(
    "li",
    { class: event.end === null ? "event active" : "event", "data-event": event.id },
    thumbnail(event),
    h(
      "div",
      { class: "event-words" },
      h("a", { class: "event-name", href }, questionName(event)),
      h("p", { class: "event-place" }, here ? event.zone : place(event)),
      !compact && event.sentence && modelWords(event.sentence),
    ),
    h(
      "div",
      { class: "event-facts" },
      h(
        "p",
        {},
        since(event.start),
        !compact && h("span", { class: "absolute" }, clock(event.start)),
      ),
      h("p", { class: "event-length" }, length(event)),
      h("p", { class: "event-score" }, `peak ${score(event.score)}`),
    ),
  );
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

/** @param {Event} event */
function thumbnail(event) {
  if (!event.still) return h("div", { class: "thumb empty-thumb" }, "No still");
  const src = `${eventPath(event.id)}/still.jpg`;
  return h("img", {
    class: "thumb",
    src,
    alt: "",
    loading: "lazy",
    width: 160,
    height: 90,
    decoding: "async",
  });
}
