/** The stream of news, and what happens when it breaks. */
import { ask } from "./api.js";
import {
  changed,
  ignoreRefusal,
  loadAll,
  loadCameras,
  loadEvents,
  loadScores,
  loadService,
  loadSession,
  store,
  takeEvent,
  takePreview,
  takeState,
  takeWindow,
} from "./store.js";

const POLL = 15_000;
const RETRY = [1000, 2000, 4000, 8000, 15_000];

/** A hidden tab gives its connection back: browsers allow six to one server. */
const HIDDEN_PATIENCE = 60_000;

/** Follows the service until the page is closed. */
export class Live {
  /** @param {(event: import("./types.js").Event) => void} onEvent told of events that begin */
  constructor(onEvent) {
    this.onEvent = onEvent;
    this.failures = 0;
    /** @type {EventSource | null} */
    this.source = null;
    /** @type {number | undefined} */
    this.timer = undefined;
    /** @type {number | undefined} */
    this.hiding = undefined;
    setInterval(() => this.poll(), POLL);
    document.addEventListener("visibilitychange", () => this.followVisibility());
  }

  /** Connects, if the browser may look. */
  async start() {
    this.stop();
    try {
      await loadSession();
    } catch (error) {
      ignoreRefusal(error);
      return this.retry();
    }
    if (store.session.read) return this.connect();
    store.loaded = false;
    changed("session");
    this.setLink("live");
  }

  stop() {
    clearTimeout(this.timer);
    this.source?.close();
    this.source = null;
  }

  connect() {
    this.stop();
    const source = new EventSource("api/stream");
    this.source = source;
    source.onopen = () => this.catchUp();
    source.onerror = () => {
      source.close();
      this.retry();
    };
    this.on("preview", takePreview);
    this.on("window", takeWindow);
    this.on("state", takeState);
    this.on("missed", () => loadEvents().catch(ignoreRefusal));
    this.on("event", (news) => {
      if (takeEvent(news)) this.onEvent(news.event);
    });
  }

  /** Loads what was missed, once nothing is missed any more. */
  async catchUp() {
    try {
      await Promise.all([loadAll(), ...[...store.scenes.keys()].map(loadScores)]);
    } catch (error) {
      ignoreRefusal(error);
      this.source?.close();
      return this.retry();
    }
    this.failures = 0;
    this.setLink("live");
  }

  /**
   * @param {string} kind
   * @param {(news: any) => void} take
   */
  on(kind, take) {
    this.source?.addEventListener(kind, (message) => take(JSON.parse(message.data)));
  }

  retry() {
    this.source = null;
    this.setLink("lost");
    clearTimeout(this.timer);
    const wait = RETRY[Math.min(this.failures, RETRY.length - 1)];
    this.failures += 1;
    this.timer = setTimeout(() => this.start(), wait);
  }

  poll() {
    if (document.hidden || !this.source) return;
    Promise.all([loadCameras(), loadService()]).catch(ignoreRefusal);
  }

  followVisibility() {
    clearTimeout(this.hiding);
    if (document.hidden) this.hiding = setTimeout(() => this.stop(), HIDDEN_PATIENCE);
    else if (!this.source) this.start();
  }

  /** @param {import("./store.js").Link} link */
  setLink(link) {
    if (store.link === link) return;
    store.link = link;
    changed("link");
  }
}

/**
 * Logs in with the service's token.
 * @param {string} token
 */
export async function logIn(token) {
  store.session = await ask("api/login", { method: "POST", body: { token } });
  changed("session");
}

/** Logs out, and forgets all that was seen. */
export async function logOut() {
  await ask("api/logout", { method: "POST" });
  location.reload();
}
