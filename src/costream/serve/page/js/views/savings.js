/** What was saved, in plain words. */
import { fill, h } from "../dom.js";
import { listen, store } from "../store.js";
import { bytes, count, moment, percent, plural } from "../words.js";

/** @typedef {import("../types.js").Savings} Savings */

const PLACES = 64;

/**
 * Returns what share of the full cost was not spent.
 * @param {number} spent
 * @param {number} full
 */
export const savedShare = (spent, full) => (full > 0 ? 1 - spent / full : 0);

/** @returns {import("../router.js").View} */
export function savingsView() {
  const body = h("div", { class: "savings-body" });
  const element = h("section", { class: "savings-page" }, body);
  const show = () => fill(body, content());
  show();
  return { title: "Savings", element, close: listen(["cameras", "service"], show) };
}

function content() {
  const cameras = [...store.cameras.values()];
  const total = totalSavings();
  if (total.windows === 0) {
    return [
      h("h1", {}, "Savings"),
      h(
        "p",
        { class: "empty" },
        cameras.length
          ? "No window has been answered yet. The first figures are here when one was."
          : "No cameras yet, so there is nothing to save.",
      ),
    ];
  }
  const begin = h(
    "div",
    { class: "ledes" },
    h("div", {}, h("h1", { class: "lede" }, lede(total)), sinceWords(total)),
    fit(),
  );
  return [begin, measures(total), table(cameras)];
}

/** Returns what was spent and saved on all cameras together. */
export const totalSavings = () =>
  sum([...store.cameras.values()].map(({ status }) => status.savings));

/** @param {Savings} total */
function lede(total) {
  const share = savedShare(total.flops_spent, total.flops_full);
  if (share <= 0) return "So far, watching has cost as much computing as from scratch.";
  return `Watching costs ${percent(1 - share)} of the computing that it would from scratch.`;
}

/** @param {Savings} total */
function sinceWords(total) {
  const began = store.health ? ` since ${moment(store.health.started)}` : "";
  return h("p", { class: "hint" }, `${count(total.windows)} windows of video answered${began}.`);
}

/** @param {Savings} total */
const measures = (total) =>
  h(
    "ul",
    { class: "measures" },
    measure(
      "Picture parts encoded",
      total.patches_kept,
      total.patches_full,
      count,
      "Parts that look as the model last saw them are not encoded again.",
    ),
    measure(
      "Visual tokens read",
      total.tokens_spent,
      total.tokens_full,
      count,
      "What a window shares with the one before stays in memory.",
    ),
    measure(
      "Operations run",
      total.flops_spent,
      total.flops_full,
      count,
      "All of it together: encoder, language model and answers.",
    ),
    measure(
      "Video received",
      total.bytes_received,
      total.bytes_jpeg,
      bytes,
      "The camera's own stream, against JPEG pictures of the same frames.",
    ),
  );

/**
 * @param {string} name
 * @param {number} spent
 * @param {number} full
 * @param {(value: number) => string} words
 * @param {string} why
 */
function measure(name, spent, full, words, why) {
  if (full === 0) return null;
  const share = savedShare(spent, full);
  const bar = h("div", { class: "bar-of", "aria-hidden": "true" }, h("div", {}));
  bar.style.setProperty("--share", String(Math.min(1, spent / full)));
  const saved = share >= 0 ? `${percent(share)} less` : `${percent(-share)} more`;
  return h(
    "li",
    { class: "measure" },
    h("h2", {}, name),
    h("p", { class: "measure-saved" }, saved),
    bar,
    h(
      "p",
      { class: "measure-words" },
      h("span", {}, `${words(spent)} `),
      h("span", {}, `instead of ${words(full)}`),
    ),
    h("p", { class: "hint" }, why),
  );
}

function fit() {
  const number = store.health?.cameras_fit;
  if (!number) return null;
  const fits = Math.floor(number);
  const watched = [...store.cameras.values()].filter(
    ({ status }) => status.state === "watching",
  ).length;
  const places = Array.from({ length: Math.min(PLACES, Math.max(fits, watched)) }, (_, index) =>
    h("i", { class: index < watched ? "taken" : "" }),
  );
  return h(
    "div",
    {},
    h("div", { class: "places", "aria-hidden": "true" }, places),
    h(
      "p",
      {},
      `This machine can carry about ${plural(fits, "camera")} like these. It watches ${watched} now.`,
    ),
  );
}

/** @param {import("../types.js").Camera[]} cameras */
const table = (cameras) =>
  h(
    "section",
    { class: "panel", "aria-label": "By camera" },
    h("h2", {}, "By camera"),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Savings by camera" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Camera", "Windows", "Computing saved", "Tokens saved", "Bytes saved"].map((name) =>
              h("th", { scope: "col" }, name),
            ),
          ),
        ),
        h("tbody", {}, cameras.map(row)),
      ),
    ),
  );

/** @param {import("../types.js").Camera} camera */
function row({ id, name, status: { savings } }) {
  const share = (/** @type {number} */ spent, /** @type {number} */ full) =>
    h("td", {}, full ? percent(savedShare(spent, full)) : "–");
  return h(
    "tr",
    {},
    h("th", { scope: "row" }, h("a", { href: `#/cameras/${encodeURIComponent(id)}` }, name)),
    h("td", {}, count(savings.windows)),
    share(savings.flops_spent, savings.flops_full),
    share(savings.tokens_spent, savings.tokens_full),
    share(savings.bytes_received, savings.bytes_jpeg),
  );
}

/**
 * @param {Savings[]} parts
 * @returns {Savings}
 */
function sum(parts) {
  /** @type {any} */
  const total = {
    windows: 0,
    tokens_full: 0,
    tokens_spent: 0,
    patches_full: 0,
    patches_kept: 0,
    flops_full: 0,
    flops_spent: 0,
    bytes_received: 0,
    bytes_jpeg: 0,
  };
  for (const part of parts)
    for (const key of Object.keys(total)) total[key] += /** @type {any} */ (part)[key];
  return total;
}
