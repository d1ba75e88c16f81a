/** What screen readers are told without being interrupted. */
import { byId, say } from "./dom.js";
import { questionName } from "./store.js";

/** @param {string} text */
export function announce(text) {
  say(byId("announcer"), text);
}

/**
 * @param {import("./types.js").Event} event
 * @param {string} camera
 */
export function announceEvent(event, camera) {
  announce(`New event: ${questionName(event)}, at ${camera}.`);
}
