/** The score of each question of a camera as a curve with its threshold. */
import { Curve } from "./curve.js";
import { fill, h, say } from "./dom.js";
import { scene, store } from "./store.js";
import { clock, now, score as scoreWords } from "./words.js";

/** @typedef {{asked: import("./types.js").AskedQuestion, curve: Curve, value: HTMLElement, row: HTMLElement, pointed: boolean}} Trace */

const UNKNOWN = 0.5;
const LEAST = 60;

export class Traces {
  /**
   * @param {string} camera
   * @param {{most?: number, seconds: number, axes?: boolean}} options the most questions that are
   *   shown, how much of the past, and whether axes are drawn
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
    const asked = JSON.stringify(questions.map(({ id, name, zone }) => [id, name, zone]));
    if (asked !== this.asked || !this.element.firstChild) this.rebuild(questions);
    this.asked = asked;
    this.traces.forEach((trace) => this.show(trace));
  }

  /** @param {import("./types.js").AskedQuestion[]} questions */
  rebuild(questions) {
    this.close();
    this.traces = questions.slice(0, this.most).map((asked) => this.trace(asked));
    const others = questions.length - this.traces.length;
    fill(
      this.element,
      this.traces.map(({ row }) => row),
      others > 0 && h("li", { class: "others" }, `and ${others} more`),
      questions.length === 0 &&
        h("li", { class: "others" }, "Nothing is asked of this camera yet."),
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
    const points = scene(this.camera).curves.get(trace.asked.id) ?? [];
    const last = points[points.length - 1];
    const threshold = last?.threshold ?? trace.asked.rule.threshold ?? UNKNOWN;
    const end = last?.at ?? now();
    const from = Math.max(points[0]?.at ?? 0, end - this.seconds);
    trace.curve.show(points, threshold, [Math.min(from, end - LEAST), end]);
    trace.row.classList.toggle("above", (last?.score ?? 0) >= threshold);
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
