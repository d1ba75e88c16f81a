/** Views of which there is little to say. */
import { h } from "../dom.js";
import { loginForm } from "../login.js";

/** @returns {import("../router.js").View} */
export function loadingView() {
  return {
    title: "Cameras",
    element: h("p", { class: "empty", "aria-busy": "true" }, "Asking the service…"),
  };
}

/** @returns {import("../router.js").View} */
export function doorView() {
  const element = h(
    "section",
    { class: "door panel" },
    h("h1", {}, "Log in to see the cameras"),
    h("p", {}, "This service can be reached from other machines, so looking needs its token."),
    loginForm(),
  );
  return { title: "Log in", element };
}

/**
 * @param {string} kind
 * @param {string} name
 * @returns {import("../router.js").View}
 */
export function absentView(kind, name) {
  const element = h(
    "section",
    { class: "empty" },
    h("h1", {}, `There is no ${kind} “${name}”`),
    h("p", {}, "It may have been removed, or the link is wrong."),
    h("p", {}, h("a", { class: "button", href: "#/" }, "See all cameras")),
  );
  return { title: `No such ${kind}`, element };
}
