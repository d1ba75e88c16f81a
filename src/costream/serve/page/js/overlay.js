/** What is laid over a picture: what the model looked at, what moved, and zones. */
import { cleared } from "./canvas.js";
import { font } from "./palette.js";
import { changed } from "./store.js";

/** @typedef {import("./types.js").Grid} Grid */
/** @typedef {"kept" | "motion" | "zones"} Layer */

const SKIPPED = "8, 14, 20";
const KEPT_EDGE = "#6fe3d0";
const MOTION = "255, 209, 102";
const ZONE = "#ffffff";
const HALF = 128;
const QUIET = 24;

/** @type {Set<Layer>} */
const shown = new Set(
  /** @type {Layer[]} */ (
    (localStorage.getItem("costream.layers") ?? "").split(",").filter(Boolean)
  ),
);

/** @param {Layer} layer */
export const isShown = (layer) => shown.has(layer);

/** @param {Layer} layer */
export function toggleLayer(layer) {
  if (!shown.delete(layer)) shown.add(layer);
  localStorage.setItem("costream.layers", [...shown].join(","));
  changed("layers");
}

/**
 * Paints the layers that are switched on.
 * @param {HTMLCanvasElement} canvas
 * @param {{kept: Grid | null, motion: Grid | null}} scene
 * @param {import("./types.js").CameraSettings | undefined} settings
 */
export function paintOverlay(canvas, scene, settings) {
  const surface = cleared(canvas);
  if (!surface) return;
  if (isShown("kept") && scene.kept) paintKept(surface, scene.kept);
  if (isShown("motion") && scene.motion) paintMotion(surface, scene.motion);
  if (isShown("zones") && settings) paintZones(surface, settings);
}

/** @typedef {{context: CanvasRenderingContext2D, width: number, height: number}} Surface */

/**
 * Darkens patches that the model skipped, and draws a line around those that it looked at.
 * @param {Surface} surface
 * @param {Grid} grid
 */
function paintKept({ context, width, height }, grid) {
  const values = decoded(grid);
  eachCell(grid, width, height, (index, x, y, w, h) => {
    const skipped = 1 - values[index] / 255;
    context.fillStyle = `rgba(${SKIPPED}, ${0.74 * skipped})`;
    context.fillRect(x, y, w, h);
  });
  context.strokeStyle = KEPT_EDGE;
  context.lineWidth = 1.5;
  context.stroke(outline(grid, values, width, height));
}

/**
 * Returns the lines between patches of which more than half was kept and the others.
 * @param {Grid} grid
 * @param {Uint8Array} values
 * @param {number} width
 * @param {number} height
 */
function outline(grid, values, width, height) {
  const path = new Path2D();
  /** @type {(row: number, col: number) => boolean} */
  const kept = (row, col) => col >= 0 && row >= 0 && values[row * grid.cols + col] >= HALF;
  eachCell(grid, width, height, (index, x, y, w, h) => {
    const [row, col] = [Math.floor(index / grid.cols), index % grid.cols];
    const here = kept(row, col);
    if (col > 0 && here !== kept(row, col - 1)) line(path, x, y, x, y + h);
    if (row > 0 && here !== kept(row - 1, col)) line(path, x, y, x + w, y);
  });
  return path;
}

/**
 * Draws a square for each block that changed, as large as it changed.
 * @param {Surface} surface
 * @param {Grid} grid
 */
function paintMotion({ context, width, height }, grid) {
  const values = decoded(grid);
  eachCell(grid, width, height, (index, x, y, w, h) => {
    if (values[index] < QUIET) return;
    const strength = values[index] / 255;
    const side = 0.62 * Math.min(w, h) * Math.sqrt(strength);
    context.fillStyle = `rgba(${MOTION}, ${0.45 + 0.5 * strength})`;
    context.fillRect(x + (w - side) / 2, y + (h - side) / 2, side, side);
  });
}

/**
 * @param {Surface} surface
 * @param {import("./types.js").CameraSettings} settings
 */
function paintZones({ context, width, height }, settings) {
  context.font = font("600 12px");
  for (const [name, points] of Object.entries(settings.zones ?? {})) {
    context.strokeStyle = context.fillStyle = ZONE;
    context.lineWidth = 2;
    const path = polygon(points, width, height);
    context.stroke(path);
    const [x, y] = points[0];
    context.fillText(name, x * width + 6, y * height + 16);
  }
  for (const points of Object.values(settings.masks ?? {})) {
    context.fillStyle = `rgba(${SKIPPED}, 0.85)`;
    context.fill(polygon(points, width, height));
  }
}

/**
 * @param {[number, number][]} points
 * @param {number} width
 * @param {number} height
 */
function polygon(points, width, height) {
  const path = new Path2D();
  for (const [x, y] of points) path.lineTo(x * width, y * height);
  path.closePath();
  return path;
}

/**
 * Visits blocks with edges on whole pixels, between which nothing shines through.
 * @param {Grid} grid
 * @param {number} width
 * @param {number} height
 * @param {(index: number, x: number, y: number, w: number, h: number) => void} visit
 */
function eachCell({ rows, cols }, width, height, visit) {
  const x = (/** @type {number} */ col) => Math.round((col * width) / cols);
  const y = (/** @type {number} */ row) => Math.round((row * height) / rows);
  for (let index = 0; index < rows * cols; index += 1) {
    const [row, col] = [Math.floor(index / cols), index % cols];
    visit(index, x(col), y(row), x(col + 1) - x(col), y(row + 1) - y(row));
  }
}

/**
 * @param {Path2D} path
 * @param {number} x0
 * @param {number} y0
 * @param {number} x1
 * @param {number} y1
 */
function line(path, x0, y0, x1, y1) {
  path.moveTo(x0, y0);
  path.lineTo(x1, y1);
}

/** @param {Grid} grid */
const decoded = (grid) => Uint8Array.from(atob(grid.values), (letter) => letter.charCodeAt(0));
