/** Numbers, times and states in words. Times are seconds since 1970. */

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });
const SHORT_CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const MOMENT = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "medium" });
const DAY = new Intl.DateTimeFormat(undefined, { weekday: "long", day: "numeric", month: "long" });
const COUNT = new Intl.NumberFormat("en", {
  notation: "compact",
  compactDisplay: "long",
  maximumSignificantDigits: 3,
});

const MINUTE = 60;
const HOUR = 60 * MINUTE;
const DAY_LONG = 24 * HOUR;

/** @type {Record<import("./types.js").CameraState, string>} */
const STATES = {
  starting: "Opening",
  watching: "Watching",
  lost: "Lost, trying again",
  paused: "Paused",
  resting: "Resting by schedule",
  failed: "Can't be watched",
};

/**
 * Returns how a camera is doing, in a word or two.
 * @param {import("./types.js").CameraStatus} status
 */
export function stateWords({ state, error }) {
  if (state === "starting" && error) return "Not reached yet";
  if (state === "resting" && error) return "At its end";
  return STATES[state];
}

/** @returns {number} */
export const now = () => Date.now() / 1000;

/** @param {number} at */
export const clock = (at) => CLOCK.format(at * 1000);

/** @param {number} at */
export const shortClock = (at) => SHORT_CLOCK.format(at * 1000);

/** @param {number} at */
export const moment = (at) => MOMENT.format(at * 1000);

/**
 * Returns a duration in at most two units.
 * @param {number} seconds
 */
export function duration(seconds) {
  const whole = Math.max(0, Math.round(seconds));
  if (whole < MINUTE) return `${whole} s`;
  if (whole < HOUR) return two(whole, MINUTE, "min", 1, "s");
  if (whole < DAY_LONG) return two(whole, HOUR, "h", MINUTE, "min");
  return two(whole, DAY_LONG, "d", HOUR, "h");
}

/**
 * @param {number} seconds
 * @param {number} large
 * @param {string} largeUnit
 * @param {number} small
 * @param {string} smallUnit
 */
function two(seconds, large, largeUnit, small, smallUnit) {
  const rest = Math.floor((seconds % large) / small);
  const first = `${Math.floor(seconds / large)} ${largeUnit}`;
  return rest ? `${first} ${rest} ${smallUnit}` : first;
}

/**
 * Returns how long ago something was, in one unit.
 * @param {number} at
 */
export function ago(at) {
  const seconds = now() - at;
  if (seconds < 5) return "just now";
  for (const [length, unit] of /** @type {[number, string][]} */ ([
    [DAY_LONG, "d"],
    [HOUR, "h"],
    [MINUTE, "min"],
  ])) {
    if (seconds >= length) return `${Math.floor(seconds / length)} ${unit} ago`;
  }
  return `${Math.floor(seconds)} s ago`;
}

/**
 * Returns a day, as people call it.
 * @param {number} at
 */
export function day(at) {
  const dates = [0, 1].map((back) => new Date(Date.now() - back * DAY_LONG * 1000).toDateString());
  const index = dates.indexOf(new Date(at * 1000).toDateString());
  return ["Today", "Yesterday"][index] ?? DAY.format(at * 1000);
}

/** @param {number} value */
export const count = (value) => COUNT.format(value);

/**
 * @param {number} value
 * @param {string} one
 * @param {string} [many]
 */
export const plural = (value, one, many = `${one}s`) => `${value} ${value === 1 ? one : many}`;

/** @param {number | null | undefined} value */
export const score = (value) => (typeof value === "number" ? value.toFixed(2) : "–");

/**
 * Returns a share in percent; what is nearly all is not told as all.
 * @param {number} share
 */
export function percent(share) {
  const value = share > 0.99 && share < 1 ? Math.min(share * 100, 99.9) : share * 100;
  const fine = (value > 0 && value < 10) || (value > 99 && value < 100);
  return `${value.toFixed(fine ? 1 : 0)}%`;
}

/** @param {number} value */
export function bytes(value) {
  const units = ["bytes", "kB", "MB", "GB", "TB", "PB"];
  const power = value < 1000 ? 0 : Math.min(5, Math.floor(Math.log10(value) / 3));
  return `${Number((value / 1000 ** power).toPrecision(3))} ${units[power]}`;
}

/**
 * Joins sentence parts: `a, b and c`.
 * @param {string[]} parts
 */
export function listed(parts) {
  if (parts.length < 2) return parts.join("");
  return `${parts.slice(0, -1).join(", ")} and ${parts[parts.length - 1]}`;
}

/**
 * Ends a sentence with a full stop and begins it with a capital letter, unless a name stands there.
 * @param {string} text
 */
export function sentence(text) {
  const trimmed = text.trim();
  const isName = /^[a-z]+:|^\S*\//.test(trimmed);
  const begun = isName ? trimmed : trimmed.charAt(0).toUpperCase() + trimmed.slice(1);
  return /[.!?…]$/.test(begun) ? begun : `${begun}.`;
}
