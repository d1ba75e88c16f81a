/** The score of each question of a camera as a curve with its threshold. */
import { Curve } from "./curve.js";
import { fill, h, say } from "./dom.js";
import { activeOf, scene, store } from "./store.js";
import { clock, now, score as scoreWords } from "./words.js";

/** @typedef {{asked: import("./types.js").AskedQuestion, curve: Curve, value: HTMLElement, row: HTMLElement, pointed: boolean}} Trace */

const UNKNOWN = 0.5;
const LEAST = 60;

export class Traces {
  /**
   * @param {string} camera
   * @param {{most?: number, seconds: number, axes?: boolean}} options the most questions that are
   *   shown, those with an event or a score that counts first; how much of the past; and whether
   *   axes are drawn
   */
  constructor(camera, { most = Infinity, seconds, axes = false }) {
    this.camera = camera;
    this.most = most;
    this.seconds = seconds;
    this.axes = axes;
    /** @type {Trace[]} */
    this.traces = [];
    this.asked = "";
    this.element = h("ul", { class: axes ? "traces large" : "traces" });
    this.update();
  }

  close() {
    this.traces.forEach(({ curve }) => curve.close());
  }

  /** Shows the last scores. */
  update() {
    const questions = store.cameras.get(this.camera)?.questions ?? [];
    const shown = this.chosen(questions);
    const asked = JSON.stringify([
      questions.length,
      ...shown.map(({ id, name, zone }) => [id, name, zone]),
    ]);
    if (asked !== this.asked || !this.element.firstChild) this.rebuild(shown, questions.length);
    this.asked = asked;
    this.traces.forEach((trace) => this.show(trace));
  }

  /**
   * Returns the questions that are shown, in their order.
   * @param {import("./types.js").AskedQuestion[]} questions
   */
  chosen(questions) {
    // A line that says "and 1 more" takes the room of that one.
    if (questions.length <= this.most + 1) return questions;
    const lasting = new Set(activeOf(this.camera).map(({ question }) => question));
    const [telling, quiet] = [true, false].map((tells) =>
      questions.filter((asked) => (lasting.has(asked.id) || this.counts(asked)) === tells),
    );
    const first = new Set([...telling, ...quiet].slice(0, this.most));
    return questions.filter((asked) => first.has(asked));
  }

  /**
   * Returns whether a question's last score counts as a yes.
   * @param {import("./types.js").AskedQuestion} asked
   */
  counts(asked) {
    const last = this.points(asked).at(-1);
    return (last?.score ?? 0) >= this.threshold(asked);
  }

  /** @param {import("./types.js").AskedQuestion} asked */
  points(asked) {
    return scene(this.camera).curves.get(asked.id) ?? [];
  }

  /** @param {import("./types.js").AskedQuestion} asked */
  threshold(asked) {
    return this.points(asked).at(-1)?.threshold ?? asked.rule.threshold ?? UNKNOWN;
  }

  /**
   * @param {import("./types.js").AskedQuestion[]} shown
   * @param {number} all how many there are
   */
  rebuild(shown, all) {
    this.close();
    this.traces = shown.map((asked) => this.trace(asked));
    const others = all - shown.length;
    fill(
      this.element,
      this.traces.map(({ row }) => row),
      others > 0 && h("li", { class: "others" }, `and ${others} more`),
      all === 0 && h("li", { class: "others" }, "Nothing is asked of this camera yet."),
    );
  }

  /**
   * @param {import("./types.js").AskedQuestion} asked
   * @returns {Trace}
   */
  trace(asked) {
    const value = h("span", { class: "value" }, "–");
    /** @type {Trace} */
    const trace = {
      asked,
      value,
      pointed: false,
      curve: new Curve({
        axes: this.axes,
        onpoint: this.axes ? (point) => this.point(trace, point) : undefined,
      }),
      row: h("li", {}),
    };
    const name = h("span", { class: "asked", title: asked.ask }, asked.name);
    const zone = asked.zone && this.axes ? h("span", { class: "zone" }, `in ${asked.zone}`) : null;
    fill(trace.row, h("div", { class: "trace-head" }, name, zone, value), trace.curve.element);
    return trace;
  }

  /** @param {Trace} trace */
  show(trace) {
    const points = this.points(trace.asked);
    const last = points.at(-1);
    const threshold = this.threshold(trace.asked);
    const end = last?.at ?? now();
    const from = Math.max(points[0]?.at ?? 0, end - this.seconds);
    trace.curve.show(points, threshold, [Math.min(from, end - LEAST), end]);
    trace.row.classList.toggle("above", this.counts(trace.asked));
    if (!trace.pointed) say(trace.value, this.words(last?.score, threshold));
  }

  /**
   * @param {number | null | undefined} score
   * @param {number} threshold
   */
  words(score, threshold) {
    if (!this.axes) return scoreWords(score);
    if (typeof score !== "number") return `no score yet, counts from ${scoreWords(threshold)}`;
    return `${scoreWords(score)} now, counts from ${scoreWords(threshold)}`;
  }

  /**
   * @param {Trace} trace
   * @param {import("./curve.js").Point | null} point
   */
  point(trace, point) {
    trace.pointed = point !== null;
    if (point) say(trace.value, `${scoreWords(point.score)} at ${clock(point.at)}`);
    else this.show(trace);
  }
}
