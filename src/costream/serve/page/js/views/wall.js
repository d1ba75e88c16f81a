/** All cameras at once. */
import { lasting, since } from "../clock.js";
import { arrange, fill, h, say } from "../dom.js";
import { EventRows } from "../event_row.js";
import { layerSwitches } from "../layers.js";
import {
  activeOf,
  cameraName,
  ignoreRefusal,
  lastingEvents,
  listen,
  loadScores,
  questionName,
  store,
} from "../store.js";
import { Still } from "../still.js";
import { Traces } from "../traces.js";
import { addCameraButton } from "./camera_forms.js";
import { savedShare, totalSavings } from "./savings.js";
import { percent, plural, stateWords } from "../words.js";

const TRACES = 3;
const SECONDS = 300;
const FEW = 4;

/** @returns {import("../router.js").View} */
export function wallView() {
  const wall = new Wall();
  return { title: "Cameras", element: wall.element, close: () => wall.close() };
}

class Wall {
  constructor() {
    /** @type {Map<string, Tile>} */
    this.tiles = new Map();
    this.headline = h("h1", { class: "headline" });
    this.gist = h("span", {});
    const savings = h("a", { href: "#/savings" }, "Savings");
    this.line = h("p", { class: "gist" }, this.gist, " ", savings);
    this.grid = h("ul", {
      class: "wall",
      onkeydown: (/** @type {KeyboardEvent} */ event) => this.walk(event),
    });
    this.rows = new EventRows({ compact: true });
    this.noEvents = h(
      "li",
      { class: "empty" },
      "No events yet. One begins when a question's score reaches its threshold.",
    );
    this.latest = h("ul", { class: "event-list compact" });
    this.rail = h(
      "aside",
      { class: "rail", "aria-labelledby": "latest" },
      h(
        "div",
        { class: "section-head" },
        h("h2", { id: "latest" }, "Latest events"),
        h("a", { href: "#/events" }, "All events"),
      ),
      this.latest,
    );
    this.switches = layerSwitches(hasZones());
    this.element = h(
      "div",
      { class: "wall-page" },
      h(
        "div",
        { class: "wall-head" },
        h("div", {}, this.headline, this.line),
        this.switches.element,
      ),
      this.grid,
      this.rail,
    );
    this.ends = [
      listen(["cameras"], () => this.showCameras()),
      listen(["events"], () => this.showEvents()),
      listen(["cameras", "events"], () => this.showHeadline()),
      listen(["cameras"], () => this.showGist()),
      this.switches.close,
    ];
    this.showCameras();
    this.showEvents();
    this.showHeadline();
    this.showGist();
  }

  close() {
    this.ends.forEach((end) => end());
    this.tiles.forEach((tile) => tile.close());
  }

  showCameras() {
    for (const [id, tile] of this.tiles) if (!store.cameras.has(id)) this.drop(id, tile);
    for (const id of store.cameras.keys()) if (!this.tiles.has(id)) this.add(id);
    this.tiles.forEach((tile) => tile.update());
    const cols = Math.max(1, Math.ceil(Math.sqrt(this.tiles.size)));
    this.grid.style.setProperty("--cols", String(cols));
    this.grid.classList.toggle("many", this.tiles.size > FEW);
    this.switches.element.hidden = this.tiles.size === 0;
    const told = this.grid.querySelector(".empty") !== null;
    if (this.tiles.size === 0 && !told) fill(this.grid, h("li", { class: "empty" }, noCameras()));
  }

  /** @param {string} id */
  add(id) {
    if (this.tiles.size === 0) fill(this.grid);
    const tile = new Tile(id);
    this.tiles.set(id, tile);
    this.grid.append(tile.element);
  }

  /**
   * @param {string} id
   * @param {Tile} tile
   */
  drop(id, tile) {
    tile.close();
    tile.element.remove();
    this.tiles.delete(id);
  }

  showEvents() {
    const rows = this.rows.only(store.latest);
    arrange(this.latest, rows.length ? rows : [this.noEvents]);
    this.tiles.forEach((tile) => tile.update());
  }

  showHeadline() {
    const lasts = lastingEvents();
    this.headline.classList.toggle("alarmed", lasts.length > 0);
    fill(this.headline, lasts.length ? incident(lasts) : quiet());
  }

  /** Shows what is asked, and what that saved. */
  showGist() {
    say(this.gist, gist());
    this.line.hidden = store.cameras.size === 0;
  }

  /** @param {KeyboardEvent} event */
  walk(event) {
    const links = [...this.grid.querySelectorAll("a")];
    const index = links.indexOf(/** @type {HTMLAnchorElement} */ (document.activeElement));
    const cols = getComputedStyle(this.grid).gridTemplateColumns.split(" ").length;
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -cols, ArrowDown: cols };
    const step = steps[/** @type {keyof typeof steps} */ (event.key)];
    if (!step || index < 0 || !links[index + step]) return;
    event.preventDefault();
    links[index + step].focus();
  }
}

/** One camera of the wall. */
class Tile {
  /** @param {string} id */
  constructor(id) {
    this.id = id;
    this.still = new Still(id);
    this.traces = new Traces(id, { most: TRACES, seconds: SECONDS });
    this.badge = h("p", { class: "badge", hidden: true });
    this.state = h("span", { class: "state" });
    this.link = h("a", { href: `#/cameras/${encodeURIComponent(id)}` });
    this.element = h(
      "li",
      { class: "tile", "data-camera": id },
      h("div", { class: "frame" }, this.still.element, this.badge),
      h("div", { class: "plate" }, h("h2", {}, this.link), this.state),
      this.traces.element,
    );
    this.badged = "";
    this.update = this.update.bind(this);
    this.end = listen([`camera:${id}`], this.update);
    loadScores(id).catch(ignoreRefusal);
  }

  close() {
    this.end();
    this.still.close();
    this.traces.close();
  }

  update() {
    const camera = store.cameras.get(this.id);
    if (!camera) return;
    say(this.link, camera.name);
    say(this.state, stateWords(camera.status));
    this.element.dataset.state = camera.status.state;
    this.still.describe();
    this.traces.update();
    this.showBadge(activeOf(this.id));
  }

  /** @param {import("../types.js").Event[]} lasts */
  showBadge(lasts) {
    const badged = lasts.map(({ id }) => id).join();
    if (badged === this.badged) return;
    this.badged = badged;
    this.element.classList.toggle("alarmed", lasts.length > 0);
    this.badge.hidden = lasts.length === 0;
    if (lasts.length === 0) return;
    const others = lasts.length > 1 && ` and ${lasts.length - 1} more`;
    fill(
      this.badge,
      h("strong", {}, "Now"),
      h("span", {}, questionName(lasts[0]), others),
      lasting(lasts[0].start),
    );
  }
}

/** @param {import("../types.js").Event[]} lasts the newest first */
function incident(lasts) {
  const [event] = lasts;
  const others = lasts.length > 1 ? `, and ${plural(lasts.length - 1, "other event")}` : "";
  // A name may end with a question mark, behind which no colon or comma stands.
  return [
    h("bdi", {}, questionName(event)),
    " – ",
    h("bdi", {}, cameraName(event.camera)),
    ", for ",
    lasting(event.start),
    `${others}.`,
  ];
}

/** Says how many questions are asked of how many cameras, and how much that saves. */
function gist() {
  const cameras = [...store.cameras.values()];
  const ids = new Set(cameras.flatMap(({ questions }) => questions.map(({ id }) => id)));
  const asked = `${plural(ids.size, "question")} asked of ${plural(cameras.length, "camera")}`;
  const { flops_spent, flops_full } = totalSavings();
  const saved = savedShare(flops_spent, flops_full);
  return saved > 0 ? `${asked}, ${percent(saved)} of the computing saved.` : `${asked}.`;
}

function quiet() {
  const cameras = [...store.cameras.values()];
  if (cameras.length === 0) return ["No cameras yet."];
  const watched = cameras.filter(({ status }) => status.state === "watching").length;
  const all =
    watched === cameras.length
      ? plural(watched, "camera")
      : `${watched} of ${plural(cameras.length, "camera")}`;
  const last = store.latest[0];
  const begin = `All quiet: ${all} watched`;
  return last ? [`${begin}, last event `, since(last.end ?? last.start), "."] : [`${begin}.`];
}

function noCameras() {
  if (store.session.change)
    return [h("p", {}, "Give the service a stream to watch."), addCameraButton()];
  const how = store.session.token ? "Log in to add one, or write it" : "Write one";
  const example = "cameras:\n  front-door:\n    url: rtsp://user:password@camera/stream";
  return [h("p", {}, `${how} into the service's file and reload it:`), h("pre", {}, example)];
}

const hasZones = () =>
  [...store.cameras.values()].some(
    ({ settings }) => Object.keys({ ...settings.zones, ...settings.masks }).length > 0,
  );
