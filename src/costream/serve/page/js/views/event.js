/** One event. */
import { ApiError, ask, eventPath } from "../api.js";
import { lasting, since } from "../clock.js";
import { Curve } from "../curve.js";
import { confirmThen } from "../dialog.js";
import { fill, h, say } from "../dom.js";
import { modelWords } from "../event_row.js";
import { facts } from "../facts.js";
import { icon } from "../icons.js";
import { cameraName, forgetEvent, listen, questionName, store } from "../store.js";
import { clock, duration, moment, score } from "../words.js";
import { absentView } from "./plain.js";

/** @typedef {import("../types.js").Event} Event */
/** @typedef {[number, number][]} Pairs */

/**
 * @param {string} id
 * @returns {import("../router.js").View}
 */
export function eventView(id) {
  const page = new EventPage(id);
  return { title: "Event", element: page.element, close: () => page.close(), ready: page.ready };
}

class EventPage {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.pointed = h("p", { class: "value" });
    this.curve = new Curve({
      axes: true,
      onpoint: (point) =>
        say(this.pointed, point ? `${score(point.score)} at ${clock(point.at)}` : this.peak),
    });
    this.peak = "";
    this.media = h("div", { class: "media" });
    this.shownMedia = "";
    this.words = h("div", {});
    this.table = h("div", { class: "score-table" });
    this.head = h("div", { class: "view-head" });
    this.element = h(
      "article",
      { class: "event-page" },
      h("p", { class: "back" }, h("a", { href: "#/events" }, icon("back"), "All events")),
      this.head,
      this.media,
      h("div", { class: "event-side" }, this.words, this.scores()),
    );
    /** @type {{event: Event, curve: Pairs} | null} */
    this.known = null;
    this.ends = [
      listen([`event:${id}`], () => this.load()),
      listen(["cameras", "session"], () => this.show()),
    ];
    this.ready = this.load();
  }

  scores() {
    return h(
      "section",
      { class: "panel score-panel", "aria-label": "Score" },
      h("div", { class: "trace-head" }, h("h2", {}, "Score"), this.pointed),
      this.curve.element,
      this.table,
    );
  }

  close() {
    this.ends.forEach((end) => end());
    this.curve.close();
  }

  async load() {
    try {
      this.known = await ask(eventPath(this.id));
      this.show();
    } catch (error) {
      if (!(error instanceof ApiError)) throw error;
      if (error.status === 404 || error.status === 422)
        fill(this.element, absentView("event", this.id).element);
      else say(this.pointed, error.message);
    }
  }

  show() {
    if (!this.known) return;
    const { event, curve } = this.known;
    const name = questionName(event);
    document.title = `${name}, ${cameraName(event.camera)} – CoStream`;
    this.showHead(event, name);
    this.showMedia(event);
    this.showWords(event);
    this.peak = `peak ${score(event.score)}, counts from ${score(event.threshold)}`;
    say(this.pointed, this.peak);
    this.showCurve(event, curve);
  }

  /**
   * @param {Event} event
   * @param {string} name
   */
  showHead(event, name) {
    const shown = JSON.stringify([event.end, name, cameraName(event.camera), store.session.change]);
    if (this.head.dataset.shown === shown) return;
    this.head.dataset.shown = shown;
    const known = store.cameras.has(event.camera);
    const href = `#/cameras/${encodeURIComponent(event.camera)}`;
    const camera = known ? h("a", { href }, cameraName(event.camera)) : event.camera;
    const active = event.end === null;
    fill(
      this.head,
      h(
        "div",
        {},
        h("h1", { tabindex: -1 }, name),
        h(
          "p",
          { class: active ? "state alarmed" : "state" },
          camera,
          " · ",
          active ? ["now, for ", lasting(event.start)] : since(event.start),
        ),
      ),
      h("div", { class: "actions" }, this.actions(event)),
    );
  }

  /** @param {Event} event */
  actions(event) {
    const remove = async () => {
      await ask(eventPath(event.id), { method: "DELETE" });
      forgetEvent(event.id);
      location.hash = "#/events";
    };
    const confirm = () =>
      confirmThen(
        "Remove this event?",
        "Its still and its clip are deleted as well.",
        "Remove",
        remove,
      );
    return [
      event.clip &&
        h(
          "a",
          { class: "button", href: `${eventPath(event.id)}/clip.mp4`, download: `${event.id}.mp4` },
          icon("save"),
          "Save clip",
        ),
      store.session.change &&
        h("button", { type: "button", onclick: confirm }, icon("remove"), "Remove"),
    ].filter((part) => part !== false);
  }

  /**
   * Leaves a clip that plays alone.
   * @param {Event} event
   */
  showMedia(event) {
    const shown = event.clip ? "clip" : `${event.still} ${event.end === null}`;
    if (shown === this.shownMedia) return;
    this.shownMedia = shown;
    const still = event.still ? `${eventPath(event.id)}/still.jpg` : null;
    const label = `${questionName(event)}, ${cameraName(event.camera)}, ${moment(event.start)}`;
    if (event.clip) {
      fill(
        this.media,
        h("video", {
          src: `${eventPath(event.id)}/clip.mp4`,
          poster: still,
          controls: true,
          muted: true,
          playsinline: true,
          preload: "metadata",
          "aria-label": `Clip: ${label}`,
        }),
      );
      return;
    }
    const why =
      event.end === null
        ? "The clip is there when the event is over."
        : "No clip was kept of this event.";
    fill(
      this.media,
      still
        ? h("img", { src: still, alt: `Still: ${label}` })
        : h("p", { class: "missing" }, "No still was kept of this event."),
      h("p", { class: "media-note" }, why),
    );
  }

  /** @param {Event} event */
  showWords(event) {
    const end = event.end === null ? "It lasts." : moment(event.end);
    fill(
      this.words,
      event.sentence && [
        h("h2", {}, "In the model's words"),
        modelWords(event.sentence),
        h("p", { class: "hint" }, "A description. What decides is the score."),
      ],
      h("h2", {}, "What happened when"),
      facts([
        ["Question", event.ask],
        ["Zone", event.zone],
        ["Began", moment(event.start)],
        ["Ended", end],
        ["Lasted", event.end === null ? null : duration(event.end - event.start)],
        ["Peak score", `${score(event.score)}, counts from ${score(event.threshold)}`],
        [
          "Note",
          event.interrupted
            ? "The camera or the service was gone meanwhile: the end is the last that is known."
            : null,
        ],
      ]),
    );
  }

  /**
   * @param {Event} event
   * @param {Pairs} pairs
   */
  showCurve(event, pairs) {
    const points = pairs.map(([at, value]) => ({ at, score: value }));
    const times = points.map(({ at }) => at);
    const from = Math.min(event.start, ...times);
    const to = Math.max(event.end ?? event.start + 1, ...times);
    this.curve.show(points, event.threshold, [from, to]);
    const open = this.table.querySelector("details")?.open ?? false;
    fill(this.table, points.length > 0 && scoreTable(points, event.threshold, open));
  }
}

/**
 * @param {{at: number, score: number}[]} points
 * @param {number} threshold
 * @param {boolean} open
 */
const scoreTable = (points, threshold, open) =>
  h(
    "details",
    { open },
    h("summary", {}, "Scores as a table"),
    h(
      "div",
      { class: "scroll", tabindex: 0, role: "group", "aria-label": "Scores" },
      h(
        "table",
        {},
        h(
          "thead",
          {},
          h(
            "tr",
            {},
            ["Time", "Score", "Counts"].map((name) => h("th", { scope: "col" }, name)),
          ),
        ),
        h(
          "tbody",
          {},
          points.map(({ at, score: value }) =>
            h(
              "tr",
              {},
              h("td", {}, clock(at)),
              h("td", {}, score(value)),
              h("td", {}, value >= threshold ? "yes" : ""),
            ),
          ),
        ),
      ),
    ),
  );
