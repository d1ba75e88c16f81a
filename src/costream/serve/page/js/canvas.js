/** Canvases whose pixels are the screen's. */
import { schedule } from "./schedule.js";

/** @type {WeakMap<Element, () => void>} */
const paints = new WeakMap();

const sizes = new ResizeObserver((entries) => {
  for (const { target } of entries) {
    const paint = paints.get(target);
    if (paint) schedule(paint);
  }
});

/**
 * Has a canvas be painted now and whenever its size changes.
 * @param {HTMLCanvasElement} canvas
 * @param {() => void} paint
 * @returns {() => void} what ends it
 */
export function keepPainted(canvas, paint) {
  paints.set(canvas, paint);
  sizes.observe(canvas);
  return () => sizes.unobserve(canvas);
}

/**
 * Clears a canvas and returns a context in CSS pixels, or null where it can't be seen.
 * @param {HTMLCanvasElement} canvas
 */
export function cleared(canvas) {
  const { clientWidth: width, clientHeight: height } = canvas;
  const context = canvas.getContext("2d");
  if (!context || !width || !height) return null;
  const scale = devicePixelRatio;
  const [wide, high] = [Math.round(width * scale), Math.round(height * scale)];
  if (canvas.width !== wide || canvas.height !== high)
    Object.assign(canvas, { width: wide, height: high });
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.clearRect(0, 0, width, height);
  return { context, width, height };
}
