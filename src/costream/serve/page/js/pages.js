/** The pages of the bar: key, address, label and icon. */

/** @type {[string, string, string, import("./icons.js").IconName][]} */
export const PAGES = [
  ["cameras", "#/", "Cameras", "cameras"],
  ["events", "#/events", "Events", "events"],
  ["savings", "#/savings", "Savings", "savings"],
  ["setup", "#/setup", "Setup", "setup"],
];
