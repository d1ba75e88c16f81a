/** One camera, large. */
import { ask } from "../api.js";
import { AskBox } from "../ask.js";
import { lasting } from "../clock.js";
import { arrange, fill, h, say } from "../dom.js";
import { EventRows } from "../event_row.js";
import { facts } from "../facts.js";
import { icon } from "../icons.js";
import { layerSwitches } from "../layers.js";
import {
  activeOf,
  ignoreRefusal,
  listen,
  loadScores,
  newestFirst,
  questionName,
  store,
} from "../store.js";
import { Still } from "../still.js";
import { Traces } from "../traces.js";
import { bytes, duration, listed, percent, plural, sentence, stateWords } from "../words.js";
import { pauseButton } from "./camera_forms.js";
import { savedShare } from "./savings.js";

const SECONDS = 1800;
const EVENTS = 8;

/**
 * @param {string} id
 * @returns {import("../router.js").View}
 */
export function cameraView(id) {
  const page = new CameraPage(id);
  const title = store.cameras.get(id)?.name ?? id;
  return { title, element: page.element, close: () => page.close(), ready: page.ready };
}

class CameraPage {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.still = new Still(id);
    this.traces = new Traces(id, { seconds: SECONDS, axes: true });
    this.box = new AskBox(id);
    const { zones, masks } = this.camera.settings;
    this.switches = layerSwitches(Object.keys({ ...zones, ...masks }).length > 0);
    this.heading = h("h1", {});
    this.state = h("p", { class: "state" });
    this.actions = h("div", { class: "actions" });
    this.problem = h("p", { class: "problem", role: "alert" });
    this.badge = h("p", { class: "badge", hidden: true });
    this.frame = h("div", { class: "frame" }, this.still.element, this.badge);
    this.facts = h("div", {});
    this.rows = new EventRows({ compact: true, here: true });
    this.noEvents = h("li", { class: "empty" }, "Nothing has happened here yet.");
    this.events = h("ul", { class: "event-list compact" });
    /** @type {import("../types.js").Event[]} */
    this.known = [];
    this.element = this.layOut();
    this.ends = [
      listen([`camera:${id}`, "cameras", "session"], () => this.update()),
      listen(["events"], () => this.showEvents()),
      this.switches.close,
    ];
    this.update();
    loadScores(id).catch(ignoreRefusal);
    this.ready = this.loadEvents().catch(ignoreRefusal);
  }

  get camera() {
    const camera = store.cameras.get(this.id);
    if (!camera) throw new Error(`no camera ${this.id}`);
    return camera;
  }

  layOut() {
    const query = new URLSearchParams({ camera: this.id });
    return h(
      "article",
      { class: "camera-page" },
      h("p", { class: "back" }, h("a", { href: "#/" }, icon("back"), "All cameras")),
      h(
        "div",
        { class: "view-head" },
        h("div", {}, this.heading, this.state),
        h("div", { class: "actions" }, this.switches.element, this.actions),
      ),
      this.problem,
      h(
        "div",
        { class: "camera-main" },
        this.frame,
        h(
          "section",
          { class: "panel", "aria-label": "Scores" },
          h("h2", {}, "Scores"),
          this.traces.element,
        ),
      ),
      h(
        "div",
        { class: "camera-side" },
        this.box.element,
        h(
          "section",
          { class: "panel", "aria-label": "Events of this camera" },
          h(
            "div",
            { class: "section-head" },
            h("h2", {}, "Its events"),
            h("a", { href: `#/events?${query}` }, "All of them"),
          ),
          this.events,
        ),
      ),
      h("section", { class: "panel", "aria-label": "Facts" }, h("h2", {}, "Facts"), this.facts),
    );
  }

  close() {
    this.ends.forEach((end) => end());
    this.still.close();
    this.traces.close();
    this.box.close();
  }

  update() {
    if (!store.cameras.has(this.id)) return;
    const { camera } = this;
    const { status } = camera;
    say(this.heading, camera.name);
    const [state, rest] = stateWords(status).split(", ");
    fill(
      this.state,
      `${state} for `,
      lasting(status.since),
      rest && `, ${rest}`,
      status.error && `. ${sentence(status.error)}`,
    );
    this.element.dataset.state = status.state;
    this.still.describe();
    this.traces.update();
    this.showActions();
    this.showBadge();
    fill(this.facts, factsOf(camera));
    if (status.width && status.height) {
      this.frame.style.setProperty("--shape", String(status.width / status.height));
    }
  }

  showActions() {
    const { camera } = this;
    const shown = `${store.session.change} ${camera.paused} ${camera.name}`;
    if (this.actions.dataset.shown === shown) return;
    const focused = this.actions.contains(document.activeElement);
    this.actions.dataset.shown = shown;
    const refused = (/** @type {string} */ problem) => say(this.problem, problem);
    fill(this.actions, store.session.change && pauseButton(camera, refused));
    if (focused) this.actions.querySelector("button")?.focus();
  }

  showBadge() {
    const lasts = activeOf(this.id);
    this.badge.hidden = lasts.length === 0;
    this.element.classList.toggle("alarmed", lasts.length > 0);
    if (lasts.length) {
      fill(this.badge, h("strong", {}, "Now"), h("span", {}, listed(lasts.map(questionName))));
    }
  }

  async loadEvents() {
    const query = new URLSearchParams({ camera: this.id, limit: String(EVENTS) });
    this.known = (await ask(`api/events?${query}`)).events;
    this.showEvents();
  }

  showEvents() {
    const news = store.latest.filter(({ camera }) => camera === this.id);
    const ids = new Set(news.map(({ id }) => id));
    this.known = [...news, ...this.known.filter(({ id }) => !ids.has(id))]
      .sort(newestFirst)
      .slice(0, EVENTS);
    const rows = this.rows.only(this.known);
    arrange(this.events, rows.length ? rows : [this.noEvents]);
    this.showBadge();
  }
}

/** @param {import("../types.js").Camera} camera */
function factsOf({ status, id }) {
  const { savings } = status;
  const size = status.width && status.height ? `${status.width} × ${status.height}` : null;
  const fps = status.fps ? `${Number(status.fps.toFixed(1))} frames a second` : null;
  const saved = savedShare(savings.bytes_received, savings.bytes_jpeg);
  return facts([
    ["Stream", status.source],
    ["Video", [codecName(status.codec), size, fps].filter(Boolean).join(", ") || "not known yet"],
    ["Motion from", motionWords(status.motion)],
    ["Decoding", decodingWords(status.decoding)],
    [
      "Delay of answers",
      status.lag === null ? null : `${status.lag.toFixed(1)} s after the picture`,
    ],
    [
      "Received",
      savings.bytes_received
        ? `${bytes(savings.bytes_received)}${saved > 0 ? `, ${percent(saved)} less than as JPEG pictures` : ""}`
        : null,
    ],
    [
      "Visual tokens saved",
      savings.tokens_full ? percent(savedShare(savings.tokens_spent, savings.tokens_full)) : null,
    ],
    [
      "Computing saved",
      savings.flops_full ? percent(savedShare(savings.flops_spent, savings.flops_full)) : null,
    ],
    ["Confirmed in full", confirmedWords(status.confirmations)],
    ["Checked in full", auditWords(status.audit)],
    ["Care", careWords(status)],
    ["Losses", lossWords(status)],
    ["Time of the last window", stageWords(status.stage_seconds)],
    ["Short name", id],
  ]);
}

/** @param {string | null} codec */
const codecName = (codec) =>
  ({
    h264: "H.264",
    hevc: "H.265",
    h265: "H.265",
    mjpeg: "MJPEG",
    av1: "AV1",
    vp9: "VP9",
    vp8: "VP8",
  })[codec ?? ""] ?? codec;

/** @param {string | null} motion */
const motionWords = (motion) =>
  ({
    bitstream: "the stream itself, read by CoStream",
    codec: "the decoder",
    none: "brightness: this codec tells none",
    unused: "nowhere: it is not needed",
  })[motion ?? ""] ?? null;

/** @param {import("../types.js").CameraStatus["audit"]} audit */
export function auditWords(audit) {
  if (!audit || !audit.windows) return null;
  const { checked, missed, bounds } = audit;
  // Rounded outwards: what is said holds.
  const low = Number((Math.floor(bounds.low * 1000) / 10).toFixed(1));
  const high = Number((Math.ceil(bounds.high * 1000 - 1e-9) / 10).toFixed(1));
  const windows = checked === 1 ? "1 window" : `${checked} windows`;
  const unchecked = missed ? `; ${missed} could not be checked` : "";
  return `${windows}, ${low} to ${high}% of answers differ${unchecked}`;
}

/** @param {import("../types.js").CameraStatus["confirmations"]} confirmations */
export function confirmedWords({ upheld = 0, refuted = 0, missed = 0 }) {
  const risen = upheld + refuted + missed;
  if (!risen) return null;
  const left = missed ? `; ${missed} could not be run in full` : "";
  return `${upheld} of ${risen} answers that turned to yes${left}`;
}

/** @param {import("../types.js").CameraStatus} status */
export function careWords({ point, moved_because: reason }) {
  if (!point) return null;
  return reason ? `${point} (${reason})` : point;
}

/** @param {Record<string, number>} frames by why they were decoded, or were not */
function decodingWords(frames) {
  const total = Object.values(frames).reduce((sum, count) => sum + count, 0);
  if (total <= 0) return null;
  const { still = 0, unreferenced = 0 } = frames;
  return `${percent((total - still - unreferenced) / total)} of its pictures were decoded`;
}

/** @param {import("../types.js").CameraStatus} status */
function lossWords({ reconnects, skipped, damaged }) {
  const parts = [
    reconnects && `${plural(reconnects, "reconnection")}`,
    skipped && `${plural(skipped, "frame")} left out to keep up`,
    damaged && `${plural(damaged, "damaged frame")}`,
  ].filter((part) => part !== 0);
  return parts.length ? sentence(listed(/** @type {string[]} */ (parts))) : "None.";
}

/** @param {Record<string, number>} stages */
function stageWords(stages) {
  const parts = Object.entries(stages).filter(([, seconds]) => seconds > 0);
  if (parts.length === 0) return null;
  return parts
    .map(
      ([stage, seconds]) =>
        `${stage} ${seconds < 1 ? `${Math.round(seconds * 1000)} ms` : duration(seconds)}`,
    )
    .join(", ");
}
