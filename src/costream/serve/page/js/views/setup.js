/** Cameras, questions, who is told, and the service itself. */
import { ask } from "../api.js";
import { since } from "../clock.js";
import { fill, h, say } from "../dom.js";
import { facts } from "../facts.js";
import { icon } from "../icons.js";
import { openLogin } from "../login.js";
import { listen, loadAll, store } from "../store.js";
import { duration, plural, sentence, stateWords } from "../words.js";
import {
  addCameraButton,
  openQuestion,
  pauseButton,
  removeCameraButton,
  removeQuestion,
} from "./camera_forms.js";

/** @returns {import("../router.js").View} */
export function setupView() {
  const page = new SetupPage();
  return { title: "Setup", element: page.element, close: page.close };
}

class SetupPage {
  constructor() {
    this.problem = h("p", { class: "problem", role: "alert" });
    this.note = h("p", { class: "hint", role: "status" });
    this.cameras = h("div", {});
    this.questions = h("div", {});
    this.rest = h("div", { class: "setup-rest" });
    this.element = h(
      "section",
      { class: "setup-page" },
      h("div", { class: "view-head" }, h("h1", {}, "Setup")),
      access(),
      this.problem,
      this.cameras,
      this.questions,
      this.rest,
      this.note,
    );
    const update = () => this.update();
    this.close = listen(["cameras", "service"], update);
    update();
  }

  update() {
    this.redraw(
      this.cameras,
      [...store.cameras.values()].map(({ id, name, paused, status }) => [
        id,
        name,
        paused,
        status.state,
        status.error,
      ]),
      () => this.cameraPanel(),
    );
    this.redraw(this.questions, [store.questions, store.cameras.size], () => questionPanel());
    this.redraw(this.rest, [store.sinks, store.health], () => [sinkPanel(), this.servicePanel()]);
  }

  /**
   * Draws again only what changed, so that the focus stays where it is.
   * @param {HTMLElement} place
   * @param {unknown} state
   * @param {() => import("../dom.js").Child | import("../dom.js").Child[]} draw
   */
  redraw(place, state, draw) {
    const shown = JSON.stringify(state);
    if (place.dataset.shown === shown) return;
    place.dataset.shown = shown;
    const index = [...place.querySelectorAll("button")].indexOf(
      /** @type {HTMLButtonElement} */ (document.activeElement),
    );
    fill(place, draw());
    if (index >= 0) place.querySelectorAll("button")[index]?.focus();
  }

  cameraPanel() {
    const cameras = [...store.cameras.values()];
    return h(
      "section",
      { class: "panel", "aria-label": "Cameras" },
      h(
        "div",
        { class: "section-head" },
        h("h2", {}, "Cameras"),
        store.session.change && addCameraButton(),
      ),
      cameras.length === 0 && h("p", { class: "empty" }, "No cameras yet."),
      h(
        "ul",
        { class: "things" },
        cameras.map((camera) => this.cameraItem(camera)),
      ),
    );
  }

  /** @param {import("../types.js").Camera} camera */
  cameraItem(camera) {
    const { id, name, source, status } = camera;
    const refused = (/** @type {string} */ problem) => say(this.problem, problem);
    return h(
      "li",
      { "data-state": status.state },
      h(
        "div",
        { class: "thing-words" },
        h("a", { class: "thing-name", href: `#/cameras/${encodeURIComponent(id)}` }, name),
        h(
          "p",
          { class: "hint source" },
          status.source,
          source === "file" ? ", from the file" : ", added here",
        ),
      ),
      h("p", { class: "state" }, stateWords(status)),
      store.session.change &&
        h("div", { class: "actions" }, pauseButton(camera, refused), removeCameraButton(camera)),
    );
  }

  servicePanel() {
    const { health } = store;
    if (!health) return null;
    const [taken, all] = health.pool_rows;
    return h(
      "section",
      { class: "panel", "aria-label": "Service" },
      h(
        "div",
        { class: "section-head" },
        h("h2", {}, "Service"),
        store.session.change &&
          h("button", { type: "button", onclick: () => this.reload() }, "Read the file again"),
      ),
      facts([
        ["State", health.ready ? "Ready" : "Not ready yet"],
        ["Running for", since(health.started, (at) => duration(Date.now() / 1000 - at))],
        ["Model", health.model],
        ...settings(health.settings),
        ["Memory of windows", all === null ? `${taken} rows` : `${taken} of ${all} rows`],
        ["Streams that made room for others", health.swaps || null],
        ["Version", health.version],
      ]),
    );
  }

  async reload() {
    say(this.problem, "");
    try {
      const { changes } = await ask("api/reload", { method: "POST" });
      await loadAll();
      say(
        this.note,
        changes.length ? changes.map(sentence).join(" ") : "Nothing in the file has changed.",
      );
    } catch (error) {
      say(this.problem, error instanceof Error ? error.message : String(error));
    }
  }
}

function access() {
  if (store.session.change) return null;
  if (!store.session.token) {
    return h(
      "p",
      { class: "note" },
      "Nothing can be changed from here: the service has no token. Set server.token or server.token_file in its file and reload it.",
    );
  }
  return h(
    "p",
    { class: "note" },
    h("span", {}, "You are looking. Changing anything needs the service's token."),
    h("button", { type: "button", onclick: openLogin }, icon("key"), "Log in"),
  );
}

function questionPanel() {
  const questions = Object.entries(store.questions);
  return h(
    "section",
    { class: "panel", "aria-label": "Questions" },
    h(
      "div",
      { class: "section-head" },
      h("h2", {}, "Questions"),
      store.session.change &&
        h(
          "button",
          { type: "button", class: "primary", onclick: () => openQuestion(null) },
          icon("add"),
          "Add a question",
        ),
    ),
    questions.length === 0 &&
      h(
        "p",
        { class: "empty" },
        "Nothing is asked yet. A question that yes or no answers becomes a score for every window of video.",
      ),
    h(
      "ul",
      { class: "things" },
      questions.map(([id, question]) => questionItem(id, question)),
    ),
  );
}

/**
 * @param {string} id
 * @param {import("../types.js").QuestionSettings} question
 */
function questionItem(id, question) {
  const name = question.name ?? question.ask;
  const asked = [...store.cameras.values()].filter(({ questions }) =>
    questions.some((other) => other.id === id),
  ).length;
  const label = () => h("span", { class: "unseen" }, ` ${name}`);
  return h(
    "li",
    {},
    h(
      "div",
      { class: "thing-words" },
      h("p", { class: "thing-name" }, name),
      question.name && h("p", { class: "hint" }, question.ask),
    ),
    h(
      "p",
      { class: "state" },
      question.enabled === false ? "Not asked" : `Asked of ${plural(asked, "camera")}`,
    ),
    store.session.change &&
      h(
        "div",
        { class: "actions" },
        h(
          "button",
          { type: "button", onclick: () => openQuestion(id) },
          icon("edit"),
          "Change",
          label(),
        ),
        h(
          "button",
          { type: "button", onclick: () => removeQuestion(id, name) },
          icon("remove"),
          "Remove",
          label(),
        ),
      ),
  );
}

function sinkPanel() {
  return h(
    "section",
    { class: "panel", "aria-label": "Who is told" },
    h("h2", {}, "Who is told"),
    store.sinks.length === 0 &&
      h(
        "p",
        { class: "empty" },
        "Nobody is told of events yet. Write a webhook, MQTT or command into the service's file, under sinks.",
      ),
    h("ul", { class: "things" }, store.sinks.map(sinkItem)),
  );
}

/** @param {import("../types.js").Sink} sink */
function sinkItem({ name, type, delivered, waiting, rejected, error }) {
  const parts = [
    `${delivered} delivered`,
    waiting > 0 && `${waiting} waiting`,
    rejected > 0 && `${rejected} refused`,
  ];
  return h(
    "li",
    { "data-state": error ? "lost" : "watching" },
    h(
      "div",
      { class: "thing-words" },
      h("p", { class: "thing-name" }, name),
      h(
        "p",
        { class: "hint" },
        { mqtt: "MQTT", webhook: "Webhook", command: "Command" }[type] ?? type,
      ),
      error && h("p", { class: "problem" }, sentence(error)),
    ),
    h("p", { class: "state" }, parts.filter(Boolean).join(", ")),
  );
}

/**
 * @param {Record<string, any>} values
 * @returns {[string, string | null][]}
 */
function settings({ window: span, stride, fps }) {
  return [
    [
      "What it looks at",
      span && stride ? `the last ${duration(span)}, every ${duration(stride)}` : null,
    ],
    ["Frames looked at", fps ? `${fps} a second` : null],
  ];
}
