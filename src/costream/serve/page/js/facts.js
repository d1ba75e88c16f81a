/** Names and values, side by side. */
import { h } from "./dom.js";

/**
 * Returns a list of facts; those without a value are left out.
 * @param {[string, import("./dom.js").Child | import("./dom.js").Child[]][]} pairs
 */
export function facts(pairs) {
  const known = pairs.filter(([, value]) => value !== null && value !== undefined && value !== "");
  return h(
    "dl",
    { class: "facts" },
    known.map(([name, value]) => h("div", {}, h("dt", {}, name), h("dd", {}, value))),
  );
}
