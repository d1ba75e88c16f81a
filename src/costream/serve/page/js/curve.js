/** Curves of scores: what lies at or above the threshold is filled. */
import { cleared, keepPainted } from "./canvas.js";
import { h } from "./dom.js";
import { colour, font } from "./palette.js";
import { schedule } from "./schedule.js";
import { listen } from "./store.js";
import { clock, shortClock } from "./words.js";

/** @typedef {{at: number, score: number | null}} Point */
/** @typedef {{x: (at: number) => number, y: (score: number) => number, left: number, right: number,
 *   bottom: number}} Scale */

const AXIS = 22;
const GUTTER = 34;

export class Curve {
  /**
   * @param {{axes?: boolean, onpoint?: (point: Point | null) => void}} [options] `axes` are
   *   drawn; `onpoint` is told of the score below the pointer
   */
  constructor({ axes = false, onpoint } = {}) {
    this.axes = axes;
    /** @type {Point[]} */
    this.points = [];
    this.threshold = 0.5;
    /** @type {[number, number]} */
    this.span = [0, 1];
    /** @type {Point | null} */
    this.marked = null;
    this.element = h("canvas", { class: axes ? "curve large" : "curve", "aria-hidden": "true" });
    this.paint = this.paint.bind(this);
    this.ends = [keepPainted(this.element, this.paint), listen(["colours"], this.paint)];
    if (onpoint) this.followPointer(onpoint);
  }

  close() {
    this.ends.forEach((end) => end());
  }

  /**
   * Shows scores.
   * @param {Point[]} points the oldest first
   * @param {number} threshold
   * @param {[number, number]} span from when to when
   */
  show(points, threshold, span) {
    this.points = points.filter(({ at }) => at >= span[0] - 60 && at <= span[1]);
    this.threshold = threshold;
    this.span = span;
    schedule(this.paint);
  }

  paint() {
    const surface = cleared(this.element);
    if (!surface) return;
    const { context } = surface;
    const scale = this.scale(surface);
    if (this.axes) this.paintAxes(context, scale);
    paintThreshold(context, scale, this.threshold);
    for (const run of runs(this.points)) this.paintRun(context, scale, run);
    if (this.marked) paintMark(context, scale, this.marked);
  }

  /**
   * @param {{width: number, height: number}} size
   * @returns {Scale}
   */
  scale({ width, height }) {
    const [from, to] = this.span;
    const left = this.axes ? GUTTER : 0;
    const right = width - 1.5;
    const [top, bottom] = this.axes ? [8, height - AXIS] : [3, height - 1.5];
    return {
      x: (at) => left + ((right - left) * (at - from)) / (to - from || 1),
      y: (score) => bottom - (bottom - top) * Math.min(1, Math.max(0, score)),
      left,
      right,
      bottom,
    };
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Scale} scale
   * @param {{at: number, score: number}[]} run
   */
  paintRun(context, scale, run) {
    const path = new Path2D();
    for (const { at, score } of run) path.lineTo(scale.x(at), scale.y(score));
    context.save();
    context.beginPath();
    context.rect(scale.left, 0, scale.right - scale.left + 2, scale.bottom + 1);
    context.clip();
    stroke(context, path, colour("trace"), 1.75);
    context.beginPath();
    context.rect(0, 0, scale.right + 2, scale.y(this.threshold));
    context.clip();
    const area = new Path2D(path);
    area.lineTo(scale.x(run[run.length - 1].at), scale.bottom);
    area.lineTo(scale.x(run[0].at), scale.bottom);
    context.fillStyle = colour("alarm-fill");
    context.fill(area);
    stroke(context, path, colour("alarm"), 2.25);
    context.restore();
    if (run.length === 1) paintMark(context, scale, run[0]);
  }

  /**
   * @param {CanvasRenderingContext2D} context
   * @param {Scale} scale
   */
  paintAxes(context, scale) {
    context.font = font("12px");
    context.fillStyle = colour("muted");
    context.strokeStyle = colour("line");
    context.lineWidth = 1;
    context.textBaseline = "middle";
    context.textAlign = "right";
    for (const score of [0, 0.5, 1]) {
      const y = Math.round(scale.y(score)) + 0.5;
      context.fillText(score.toFixed(1), GUTTER - 8, y);
      context.strokeRect(GUTTER, y, scale.right - GUTTER, 0);
    }
    context.textBaseline = "bottom";
    for (const at of ticks(this.span, scale)) {
      context.textAlign = at === this.span[1] ? "right" : "center";
      const words = this.span[1] - this.span[0] < 600 ? clock(at) : shortClock(at);
      context.fillText(words, scale.x(at), scale.bottom + AXIS);
    }
  }

  /** @param {(point: Point | null) => void} onpoint */
  followPointer(onpoint) {
    this.element.addEventListener("pointermove", (event) => {
      const scale = this.scale({
        width: this.element.clientWidth,
        height: this.element.clientHeight,
      });
      this.mark(
        nearest(this.points, (at) => Math.abs(scale.x(at) - event.offsetX)),
        onpoint,
      );
    });
    this.element.addEventListener("pointerleave", () => this.mark(null, onpoint));
  }

  /**
   * @param {Point | null} point
   * @param {(point: Point | null) => void} onpoint
   */
  mark(point, onpoint) {
    this.marked = point;
    onpoint(point);
    schedule(this.paint);
  }
}

/**
 * Cuts a curve where a window had no score.
 * @param {Point[]} points
 * @returns {{at: number, score: number}[][]}
 */
function runs(points) {
  /** @type {{at: number, score: number}[][]} */
  const found = [[]];
  for (const { at, score } of points) {
    if (score === null) found.push([]);
    else found[found.length - 1].push({ at, score });
  }
  return found.filter((run) => run.length);
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scale} scale
 * @param {number} threshold
 */
function paintThreshold(context, scale, threshold) {
  context.save();
  context.setLineDash([3, 3]);
  const y = Math.round(scale.y(threshold)) + 0.5;
  const path = new Path2D();
  path.moveTo(scale.left, y);
  path.lineTo(scale.right, y);
  stroke(context, path, colour("threshold"), 1);
  context.restore();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Scale} scale
 * @param {Point} point
 */
function paintMark(context, scale, { at, score }) {
  context.fillStyle = colour("ink");
  context.beginPath();
  context.arc(scale.x(at), scale.y(score ?? 0), 3, 0, 2 * Math.PI);
  context.fill();
}

/**
 * @param {CanvasRenderingContext2D} context
 * @param {Path2D} path
 * @param {string} style
 * @param {number} width
 */
function stroke(context, path, style, width) {
  context.strokeStyle = style;
  context.lineWidth = width;
  context.lineJoin = "round";
  context.stroke(path);
}

/**
 * @param {[number, number]} span
 * @param {Scale} scale
 */
function ticks([from, to], scale) {
  const number = Math.max(1, Math.floor((scale.right - GUTTER) / 130));
  return Array.from({ length: number }, (_, index) => to - ((to - from) * index) / number);
}

/**
 * @param {Point[]} points
 * @param {(at: number) => number} distance
 */
function nearest(points, distance) {
  /** @type {Point | null} */
  let best = null;
  for (const point of points) if (!best || distance(point.at) < distance(best.at)) best = point;
  return best;
}
