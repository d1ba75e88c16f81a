/** Keys that do what buttons do, and the dialog that tells of them. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { toggleLayer } from "./overlay.js";
import { PAGES } from "./pages.js";
import { nextTheme } from "./themes.js";

const OFF = "costream.shortcuts";

/** @type {[string, string, () => void][]} */
const SHORTCUTS = [
  ...PAGES.map(
    ([, href, label], index) =>
      /** @type {[string, string, () => void]} */ ([
        String(index + 1),
        label,
        () => location.assign(href),
      ]),
  ),
  ["p", "Show what the model looked at", () => toggleLayer("kept")],
  ["m", "Show what moved", () => toggleLayer("motion")],
  ["z", "Show zones and masks", () => toggleLayer("zones")],
  ["/", "Ask the camera that is open", () => document.getElementById("ask")?.focus()],
  ["t", "Change the theme", nextTheme],
  ["?", "This help", openShortcuts],
];

export function startShortcuts() {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
    if (document.querySelector("dialog[open]")) return;
    const found = SHORTCUTS.find(([key]) => key === event.key);
    if (!found || (event.key !== "?" && !areOn())) return;
    event.preventDefault();
    found[2]();
  });
}

/** @param {EventTarget | null} target */
const isTyping = (target) => target instanceof Element && target.matches("input, textarea, select");

const areOn = () => localStorage.getItem(OFF) === null;

export function openShortcuts() {
  const onchange = (/** @type {globalThis.Event} */ event) => {
    const { checked } = /** @type {HTMLInputElement} */ (event.target);
    if (checked) localStorage.removeItem(OFF);
    else localStorage.setItem(OFF, "off");
  };
  openDialog("Keyboard shortcuts", () => [
    h(
      "dl",
      { class: "keys" },
      SHORTCUTS.map(([key, label]) =>
        h("div", {}, h("dt", {}, h("kbd", {}, key)), h("dd", {}, label)),
      ),
      h(
        "div",
        {},
        h("dt", {}, h("kbd", {}, "← ↑ → ↓")),
        h("dd", {}, "Go from camera to camera on the wall"),
      ),
      h("div", {}, h("dt", {}, h("kbd", {}, "Esc")), h("dd", {}, "Close a dialog")),
    ),
    h(
      "label",
      { class: "check" },
      h("input", { type: "checkbox", checked: areOn(), onchange }),
      "Single keys are shortcuts",
    ),
  ]);
}
