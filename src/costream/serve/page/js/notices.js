/** What is wrong, in sentences, above every view. */
import { byId, fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { listen, store } from "./store.js";
import { sentence } from "./words.js";

const MOST = 2;

/** What is said already is not said again. */
let shown = "";

export function startNotices() {
  listen(["link", "service", "cameras"], show);
}

function show() {
  const lost = store.link === "lost";
  document.body.classList.toggle("stale", lost);
  const sentences = lost ? [connectionWords()] : problems();
  if (sentences.join() === shown) return;
  shown = sentences.join();
  const notices = sentences.map(notice);
  const rest = notices.slice(MOST);
  const open = byId("notices").querySelector("details")?.open ?? false;
  fill(
    byId("notices"),
    notices.slice(0, MOST),
    rest.length > 0 &&
      h("details", { open }, h("summary", { class: "notice" }, `${rest.length} more`), rest),
  );
}

function connectionWords() {
  return store.loaded
    ? "The connection to the service is lost. What you see is from before; the page tries again by itself."
    : "The service can't be reached. The page tries again by itself.";
}

/** @returns {string[]} */
function problems() {
  const known = store.health?.problems ?? [];
  const cameras = [...store.cameras.values()].flatMap(({ name, status: { state, error } }) =>
    ["starting", "lost", "failed"].includes(state) &&
    error &&
    !known.some((problem) => problem.includes(error))
      ? [`${name}: ${sentence(error)}`]
      : [],
  );
  return [...known.map(sentence), ...cameras];
}

/** @param {string} text */
const notice = (text) => h("p", { class: "notice" }, icon("warning"), h("span", {}, text));
