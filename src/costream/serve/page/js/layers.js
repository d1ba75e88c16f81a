/** The switches of what is laid over pictures. */
import { h } from "./dom.js";
import { icon } from "./icons.js";
import { isShown, toggleLayer } from "./overlay.js";
import { listen } from "./store.js";

/** @type {[import("./overlay.js").Layer, string, import("./icons.js").IconName, string][]} */
const LAYERS = [
  ["kept", "What the model looked at", "eye", "Patches that the model skipped are darkened (p)"],
  [
    "motion",
    "What moved",
    "motion",
    "A square for each block that changed, as large as it changed (m)",
  ],
  ["zones", "Zones", "zone", "Zones that questions are asked about, and masks (z)"],
];

/**
 * Returns the switches and what ends them.
 * @param {boolean} zones whether there are any
 * @returns {{element: HTMLElement, close: () => void}}
 */
export function layerSwitches(zones) {
  const buttons = LAYERS.filter(([layer]) => zones || layer !== "zones").map(
    ([layer, label, name, title]) => ({
      layer,
      button: h(
        "button",
        { type: "button", class: "switch", title, onclick: () => toggleLayer(layer) },
        icon(name),
        label,
      ),
    }),
  );
  const show = () => {
    for (const { layer, button } of buttons)
      button.setAttribute("aria-pressed", String(isShown(layer)));
  };
  show();
  const element = h(
    "div",
    { class: "switches", role: "group", "aria-label": "Laid over pictures" },
    buttons.map(({ button }) => button),
  );
  return { element, close: listen(["layers"], show) };
}
