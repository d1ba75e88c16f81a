/** A camera's picture, loaded while it can be seen, with its overlay. */
import { cameraPath, send } from "./api.js";
import { keepPainted } from "./canvas.js";
import { h, say } from "./dom.js";
import { paintOverlay } from "./overlay.js";
import { schedule } from "./schedule.js";
import { ignoreRefusal, listen, scene, store } from "./store.js";

/** Pictures that are loaded at a time: clips and requests need connections as well. */
const AT_ONCE = 3;

/** @type {Still[]} */
const waiting = [];
let loading = 0;

/** @type {WeakMap<Element, Still>} */
const stills = new WeakMap();

const sight = new IntersectionObserver(
  (entries) => {
    for (const entry of entries) stills.get(entry.target)?.setVisible(entry.isIntersecting);
  },
  { rootMargin: "100px" },
);

export class Still {
  /** @param {string} camera */
  constructor(camera) {
    this.camera = camera;
    this.visible = false;
    this.queued = false;
    this.stale = Boolean(store.cameras.get(camera)?.status.last_frame);
    this.pictures = 0;
    /** @type {ImageBitmap | null} */
    this.bitmap = null;
    this.picture = h("canvas", { class: "picture", role: "img" });
    this.overlay = h("canvas", { class: "overlay", "aria-hidden": "true" });
    this.missing = h("p", { class: "missing" }, "No picture yet");
    this.box = h("div", { class: "box" }, this.picture, this.overlay);
    this.element = h("div", { class: "still" }, this.box, this.missing);
    this.paint = this.paint.bind(this);
    this.paintLayers = () => paintOverlay(this.overlay, scene(camera), this.settings);
    this.ends = [
      keepPainted(this.overlay, this.paintLayers),
      listen([`picture:${camera}`], () => this.expire()),
      listen([`picture:${camera}`, `camera:${camera}`, "layers"], this.paintLayers),
    ];
    stills.set(this.element, this);
    sight.observe(this.element);
    this.describe();
  }

  get settings() {
    return store.cameras.get(this.camera)?.settings;
  }

  describe() {
    const name = store.cameras.get(this.camera)?.name ?? this.camera;
    this.picture.setAttribute("aria-label", `Live picture of ${name}`);
  }

  close() {
    this.ends.forEach((end) => end());
    sight.unobserve(this.element);
    this.visible = false;
    this.bitmap?.close();
  }

  /** @param {boolean} visible */
  setVisible(visible) {
    this.visible = visible;
    this.want();
  }

  expire() {
    this.stale = true;
    this.want();
  }

  want() {
    if (!this.visible || !this.stale || this.queued) return;
    this.queued = true;
    waiting.push(this);
    loadNext();
  }

  async load() {
    this.stale = false;
    const response = await send(`${cameraPath(this.camera)}/still.jpg`);
    const bitmap = await createImageBitmap(await response.blob());
    this.bitmap?.close();
    this.bitmap = bitmap;
    schedule(this.paint);
  }

  paint() {
    if (!this.bitmap || !this.visible) return;
    const { width, height } = this.bitmap;
    if (this.picture.width !== width || this.picture.height !== height) {
      Object.assign(this.picture, { width, height });
      this.box.style.setProperty("--shape", String(width / height));
    }
    this.picture.getContext("2d")?.drawImage(this.bitmap, 0, 0);
    this.pictures += 1;
    this.element.dataset.pictures = String(this.pictures);
    say(this.missing, "");
  }
}

function loadNext() {
  if (loading >= AT_ONCE) return;
  const still = waiting.shift();
  if (!still) return;
  loading += 1;
  still
    .load()
    .catch(ignoreRefusal)
    .finally(() => {
      loading -= 1;
      still.queued = false;
      still.want();
      loadNext();
    });
}
