/** The page: its bar, its notices, its shortcuts and its views. */
import { announceEvent } from "./announcer.js";
import { startBar } from "./bar.js";
import { Live } from "./live.js";
import { startNotices } from "./notices.js";
import { Router } from "./router.js";
import { startShortcuts } from "./shortcuts.js";
import { cameraName, listen, store } from "./store.js";
import { cameraView } from "./views/camera.js";
import { eventView } from "./views/event.js";
import { eventsView } from "./views/events.js";
import { absentView, doorView, loadingView } from "./views/plain.js";
import { savingsView } from "./views/savings.js";
import { setupView } from "./views/setup.js";
import { wallView } from "./views/wall.js";

const isLockedOut = () => store.link === "live" && !store.session.read;

/** @param {string} camera */
const knows = (camera) => store.cameras.has(camera);

/** @type {(route: import("./router.js").Route) => import("./router.js").View} */
function open(route) {
  const [page, id] = route.path;
  if (!store.loaded) return isLockedOut() ? doorView() : loadingView();
  if (page === undefined) return wallView();
  if (page === "cameras" && id) return knows(id) ? cameraView(id) : absentView("camera", id);
  if (page === "events") return id ? eventView(id) : eventsView(route);
  if (page === "savings") return savingsView();
  if (page === "setup") return setupView();
  return absentView("page", route.path.join("/"));
}

function retitle() {
  const lasting = store.active.size ? `(${store.active.size} now) ` : "";
  document.title = `${lasting}${router.view?.title ?? ""} – CoStream`;
}

/** What decides which view is open, beside the address. */
function standing() {
  const [page, id] = location.hash.replace(/^#\/?/, "").split("/");
  const { loaded, session } = store;
  return [loaded, session.change, isLockedOut(), page === "cameras" && knows(id)].join();
}

/** What decided which view is open now. */
let stood = "";

const router = new Router((route) => {
  stood = standing();
  const view = open(route);
  queueMicrotask(retitle);
  return view;
});

listen(["session", "cameras", "link"], () => {
  if (standing() !== stood) router.reload();
});
listen(["events", "cameras"], retitle);

const live = new Live((event) => announceEvent(event, cameraName(event.camera)));

document.addEventListener("costream:login", () => live.start());
startBar();
startNotices();
startShortcuts();
router.follow();
live.start();
