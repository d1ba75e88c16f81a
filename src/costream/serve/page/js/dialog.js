/** Dialogs: the browser keeps the focus inside, and gives it back. */
import { h } from "./dom.js";
import { icon } from "./icons.js";

let numbered = 0;

/**
 * Opens a dialog, and removes it when it is closed.
 * @param {string} title
 * @param {(close: () => void) => (Node | string)[]} content
 * @returns {HTMLDialogElement}
 */
export function openDialog(title, content) {
  const id = `dialog-${(numbered += 1)}`;
  const close = () => dialog.close();
  const dialog = h(
    "dialog",
    { "aria-labelledby": id, onclose: () => dialog.remove() },
    h(
      "header",
      {},
      h("h2", { id }, title),
      h(
        "button",
        { class: "plain", type: "button", "aria-label": "Close", onclick: close },
        icon("close"),
      ),
    ),
    content(close),
  );
  dialog.addEventListener("click", (event) => {
    if (event.target === dialog) close();
  });
  document.body.append(dialog);
  dialog.showModal();
  return dialog;
}

/**
 * Asks before something is removed.
 * @param {string} title
 * @param {string} what says what will be lost
 * @param {string} verb of the button
 * @param {() => Promise<unknown>} act
 */
export function confirmThen(title, what, verb, act) {
  openDialog(title, (close) => {
    const problem = h("p", { class: "problem", role: "alert" });
    const confirm = async () => {
      try {
        await act();
        close();
      } catch (error) {
        problem.textContent = error instanceof Error ? error.message : String(error);
      }
    };
    return [
      h("p", {}, what),
      problem,
      h(
        "div",
        { class: "actions" },
        h("button", { type: "button", onclick: close, autofocus: true }, "Keep"),
        h("button", { type: "button", class: "danger", onclick: confirm }, verb),
      ),
    ];
  });
}
