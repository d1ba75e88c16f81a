/** Times that stay true while they are looked at. */
import { h, say } from "./dom.js";
import { ago, duration, moment, now } from "./words.js";

/** @type {WeakMap<Element, () => string>} */
const texts = new WeakMap();

/**
 * Returns how long ago something was, kept up to date.
 * @param {number} at
 * @param {(at: number) => string} [words]
 */
export function since(at, words = ago) {
  const iso = new Date(at * 1000).toISOString();
  const element = h("time", { datetime: iso, title: moment(at), "data-ticks": "" }, words(at));
  texts.set(element, () => words(at));
  return element;
}

/**
 * Returns how long something lasts by now, kept up to date.
 * @param {number} start
 */
export const lasting = (start) => since(start, (at) => duration(now() - at));

setInterval(() => {
  for (const element of document.querySelectorAll("[data-ticks]")) {
    const text = texts.get(element);
    if (text) say(element, text());
  }
}, 1000);
