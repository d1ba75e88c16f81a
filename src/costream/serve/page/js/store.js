/**
 * What the page knows of the service. Views read it and listen to topics: `cameras` (which there
 * are, and their states), `camera:ID` (news of one), `events` (which last, and the latest),
 * `service` (health, sinks, questions), `session` and `link`.
 */
import { ApiError, ask, cameraPath } from "./api.js";
import { schedule } from "./schedule.js";

/** @typedef {import("./types.js").Camera} Camera */
/** @typedef {import("./types.js").Event} Event */
/** @typedef {import("./types.js").Grid} Grid */
/** @typedef {import("./types.js").Score} Score */
/** @typedef {"connecting" | "live" | "lost"} Link */

const CURVE = 600;
const LATEST = 12;

/** What is known of a camera's moment. */
export class Scene {
  constructor() {
    /** @type {Map<string, Score[]>} the last scores by question, the oldest first */
    this.curves = new Map();
    /** @type {Grid | null} */
    this.kept = null;
    /** @type {Grid | null} */
    this.motion = null;
    /** @type {number} when its last picture was received */
    this.pictureAt = 0;
  }

  /** @param {Score} score */
  add(score) {
    const curve = this.curves.get(score.question) ?? [];
    if (curve.length && curve[curve.length - 1].at >= score.at) return;
    curve.push(score);
    if (curve.length > CURVE) curve.shift();
    this.curves.set(score.question, curve);
  }
}

export const store = {
  /** @type {import("./types.js").Session} */
  session: { read: false, change: false, token: false },
  /** @type {import("./types.js").Health | null} */
  health: null,
  /** @type {import("./types.js").Sink[]} */
  sinks: [],
  /** @type {Record<string, import("./types.js").QuestionSettings>} */
  questions: {},
  /** @type {Map<string, Camera>} */
  cameras: new Map(),
  /** @type {Map<string, Scene>} */
  scenes: new Map(),
  /** @type {Map<string, Event>} those that last */
  active: new Map(),
  /** @type {Event[]} the newest first */
  latest: [],
  /** @type {Link} */
  link: "connecting",
  loaded: false,
};

/** @type {Map<string, Set<() => void>>} */
const listeners = new Map();

/**
 * Calls a listener once before the next paint after a topic changed.
 * @param {string[]} topics
 * @param {() => void} listener
 * @returns {() => void} what ends it
 */
export function listen(topics, listener) {
  for (const topic of topics) {
    const others = listeners.get(topic) ?? new Set();
    listeners.set(topic, others.add(listener));
  }
  return () => topics.forEach((topic) => listeners.get(topic)?.delete(listener));
}

/** @param {...string} topics */
export function changed(...topics) {
  for (const topic of topics) listeners.get(topic)?.forEach(schedule);
}

/** @param {string} id */
export function scene(id) {
  const known = store.scenes.get(id) ?? new Scene();
  store.scenes.set(id, known);
  return known;
}

/** @param {string} id */
export const cameraName = (id) => store.cameras.get(id)?.name ?? id;

/** @param {Event} event */
export function questionName(event) {
  const asked = store.cameras.get(event.camera)?.questions.find(({ id }) => id === event.question);
  return asked?.name ?? store.questions[event.question]?.name ?? event.ask;
}

/** Returns the events that last, the newest first. */
export const lastingEvents = () => [...store.active.values()].sort(newestFirst);

/** @param {string} camera */
export const activeOf = (camera) => lastingEvents().filter((event) => event.camera === camera);

/** Asks what the browser may do here. */
export async function loadSession() {
  store.session = await ask("api/session");
  changed("session");
}

/** Loads all that the page shows beside the news. */
export async function loadAll() {
  await Promise.all([loadCameras(), loadService(), loadEvents()]);
  store.loaded = true;
  changed("cameras");
}

export async function loadCameras() {
  /** @type {{cameras: Camera[]}} */
  const { cameras } = await ask("api/cameras");
  store.cameras = new Map(cameras.map((camera) => [camera.id, camera]));
  for (const id of store.scenes.keys()) if (!store.cameras.has(id)) store.scenes.delete(id);
  changed("cameras", ...cameras.map(({ id }) => `camera:${id}`));
}

export async function loadService() {
  const [health, sinks, { questions }] = await Promise.all(
    ["api/status", "api/sinks", "api/questions"].map((path) => ask(path)),
  );
  Object.assign(store, { health, sinks, questions });
  changed("service");
}

export async function loadEvents() {
  /** @type {EventNews[]} */
  const told = [];
  meanwhile = told;
  const [lasting, latest] = await Promise.all([
    ask("api/events?active=true&limit=100"),
    ask(`api/events?limit=${LATEST}`),
  ]);
  const kept = (/** @type {Event} */ { id }) => !removed.has(id);
  store.active = new Map(
    lasting.events.filter(kept).map((/** @type {Event} */ event) => [event.id, event]),
  );
  store.latest = latest.events.filter(kept);
  meanwhile = null;
  told.forEach(takeEvent);
  changed("events");
}

/**
 * Loads a camera's past scores, which the news go on from.
 * @param {string} id
 */
export async function loadScores(id) {
  /** @type {{curves: Record<string, Score[]>, kept: Grid | null}} */
  const { curves, kept } = await ask(`${cameraPath(id)}/scores`);
  const known = scene(id);
  known.curves = new Map(Object.entries(curves));
  known.kept = kept;
  changed(`camera:${id}`);
}

/**
 * Takes a picture's notice.
 * @param {{camera: string, at: number, motion: Grid | null}} news
 */
export function takePreview(news) {
  const known = scene(news.camera);
  known.motion = news.motion;
  known.pictureAt = news.at;
  changed(`picture:${news.camera}`);
}

/**
 * Takes a window's scores.
 * @param {{camera: string, at: number, scores: Score[], kept: Grid, lag: number | null}} news
 */
export function takeWindow(news) {
  const known = scene(news.camera);
  known.kept = news.kept;
  news.scores.forEach((score) => known.add(score));
  const status = store.cameras.get(news.camera)?.status;
  if (status) Object.assign(status, { lag: news.lag, last_window: news.at });
  changed(`camera:${news.camera}`);
}

/**
 * Takes a camera's state. One that is new or gone has its settings loaded.
 * @param {{camera: string, status: import("./types.js").CameraStatus | null}} news
 */
export function takeState({ camera, status }) {
  const known = store.cameras.get(camera);
  if (known && status) known.status = status;
  if (known && !status) store.cameras.delete(camera);
  if (!status) store.scenes.delete(camera);
  if (store.loaded && status) loadSettingsSoon();
  changed("cameras", `camera:${camera}`);
}

/** @type {number | undefined} */
let settingsTimer;

/** Loads settings once for all cameras that were told of together. */
function loadSettingsSoon() {
  clearTimeout(settingsTimer);
  settingsTimer = setTimeout(() => loadCameras().catch(ignoreRefusal), 200);
}

/** @typedef {{change: "new" | "update" | "end", event: Event}} EventNews */

/** @type {EventNews[] | null} what is told while events are loaded: the answer may not know it yet */
let meanwhile = null;

/**
 * Takes an event's change.
 * @param {EventNews} news
 * @returns {boolean} whether the event is new to the page
 */
export function takeEvent(news) {
  const { change, event } = news;
  meanwhile?.push(news);
  if (change === "end") store.active.delete(event.id);
  else store.active.set(event.id, event);
  const index = store.latest.findIndex(({ id }) => id === event.id);
  if (index >= 0) store.latest[index] = event;
  else store.latest = [event, ...store.latest].sort(newestFirst).slice(0, LATEST);
  changed("events", `camera:${event.camera}`, `event:${event.id}`);
  return index < 0 && change === "new";
}

/** @type {Set<string>} events that an answer which is under way may still tell of */
const removed = new Set();

/**
 * Forgets an event that was removed.
 * @param {string} id
 */
export function forgetEvent(id) {
  removed.add(id);
  store.active.delete(id);
  store.latest = store.latest.filter((event) => event.id !== id);
  changed("events");
}

/**
 * @param {Event} one
 * @param {Event} other
 */
export const newestFirst = (one, other) => other.start - one.start;

/**
 * Lets pass what the banner of a lost connection tells of anyway.
 * @param {unknown} error
 */
export function ignoreRefusal(error) {
  if (!(error instanceof ApiError)) throw error;
}
