/** What changes cameras and questions. */
import { announce } from "../announcer.js";
import { ask, cameraPath } from "../api.js";
import { confirmThen, openDialog } from "../dialog.js";
import { h } from "../dom.js";
import { field, form, idField } from "../form.js";
import { icon } from "../icons.js";
import { loadCameras, loadService, store } from "../store.js";

/** @param {string} [label] */
export const addCameraButton = (label = "Add a camera") =>
  h("button", { type: "button", class: "primary", onclick: openAddCamera }, icon("add"), label);

function openAddCamera() {
  openDialog("Add a camera", (close) => [
    form({
      fields: [
        idField("front-door"),
        field({
          name: "name",
          label: "What people call it (optional)",
          input: { placeholder: "Front door" },
        }),
        field({
          name: "url",
          label: "Stream",
          hint: "Such as rtsp://user:password@camera/stream. The password is never shown again. Write push where the camera sends its stream here.",
          input: { required: true, spellcheck: "false", inputmode: "url", placeholder: "rtsp://" },
        }),
        questionChoice(),
      ],
      verb: "Add",
      submit: addCamera,
      done: close,
    }),
  ]);
}

function questionChoice() {
  const questions = Object.entries(store.questions);
  if (questions.length === 0)
    return h("p", { class: "hint" }, "There are no questions yet: add one after this.");
  return h(
    "fieldset",
    { class: "field", "data-field": "questions" },
    h("legend", {}, "What it is asked"),
    questions.map(([id, { name, ask: text }]) =>
      h(
        "label",
        { class: "check" },
        h("input", { type: "checkbox", name: "questions", value: id, checked: true }),
        name ?? text,
      ),
    ),
    h("p", { class: "problem" }),
  );
}

/** @param {FormData} data */
async function addCamera(data) {
  const chosen = data.getAll("questions").map(String);
  const all = chosen.length === Object.keys(store.questions).length;
  const name = text(data, "name");
  const body = {
    id: text(data, "id"),
    url: text(data, "url"),
    ...(name && { name }),
    ...(!all && { questions: chosen }),
  };
  await ask("api/cameras", { method: "POST", body });
  await loadCameras();
  announce(`Added ${name || body.id}.`);
}

/**
 * Returns the button that pauses or resumes a camera.
 * @param {import("../types.js").Camera} camera
 * @param {(problem: string) => void} refused
 */
export function pauseButton(camera, refused) {
  const verb = camera.paused ? "Resume" : "Pause";
  const onclick = async () => {
    try {
      await ask(`${cameraPath(camera.id)}/${verb.toLowerCase()}`, { method: "POST" });
      await loadCameras();
      announce(`${camera.name}: ${camera.paused ? "resumed" : "paused"}.`);
    } catch (error) {
      refused(error instanceof Error ? error.message : String(error));
    }
  };
  const label = h("span", { class: "unseen" }, ` ${camera.name}`);
  return h(
    "button",
    { type: "button", onclick },
    icon(camera.paused ? "play" : "pause"),
    verb,
    label,
  );
}

/** @param {import("../types.js").Camera} camera */
export function removeCameraButton(camera) {
  const remove = async () => {
    await ask(cameraPath(camera.id), { method: "DELETE" });
    await loadCameras();
  };
  const onclick = () =>
    confirmThen(
      `Remove ${camera.name}?`,
      "It is not watched any more. Its events stay.",
      "Remove",
      remove,
    );
  const label = h("span", { class: "unseen" }, ` ${camera.name}`);
  return h("button", { type: "button", onclick }, icon("remove"), "Remove", label);
}

/**
 * Opens the form of a question: a new one, or one that is changed.
 * @param {string | null} id
 */
export async function openQuestion(id) {
  /** @type {import("../types.js").QuestionSettings} */
  const known = id ? await ask(`api/questions/${encodeURIComponent(id)}`) : { ask: "" };
  const alerts = known.alerts ?? {};
  openDialog(id ? "Change a question" : "Add a question", (close) => [
    form({
      fields: [
        ...(id ? [] : [idField("fall")]),
        field({
          name: "ask",
          label: "Question",
          hint: "One that yes or no answers.",
          value: known.ask,
          input: { required: true, placeholder: "Has a person fallen?" },
        }),
        field({
          name: "name",
          label: "What people call it (optional)",
          value: known.name ?? "",
          input: { placeholder: "Fall" },
        }),
        field({
          name: "alerts.threshold",
          label: "Score from which it counts (optional)",
          hint: "0 to 1. Without one, the model's own threshold.",
          value: String(alerts.threshold ?? ""),
          input: { inputmode: "decimal", placeholder: "as the model has it" },
        }),
        field({
          name: "alerts.for",
          label: "How long it has to last (optional)",
          hint: "Such as 4s: shorter is no event.",
          value: String(alerts.for ?? ""),
          input: { placeholder: "no minimum" },
        }),
        field({
          name: "alerts.cooldown",
          label: "How long after its end it may go on (optional)",
          hint: "Such as 1m: what happens again sooner is the same event.",
          value: String(alerts.cooldown ?? ""),
          input: { placeholder: "1m" },
        }),
      ],
      verb: id ? "Save" : "Add",
      submit: (data) => putQuestion(id ?? text(data, "id"), known, data),
      done: close,
    }),
  ]);
}

/**
 * @param {string} id
 * @param {import("../types.js").QuestionSettings} known
 * @param {FormData} data
 */
async function putQuestion(id, known, data) {
  const alerts = Object.fromEntries(
    ["threshold", "for", "cooldown"].map((key) => [key, text(data, `alerts.${key}`) || null]),
  );
  const body = {
    ...known,
    ask: text(data, "ask"),
    name: text(data, "name") || null,
    alerts: { ...known.alerts, ...alerts },
  };
  await ask(`api/questions/${encodeURIComponent(id)}`, { method: "PUT", body });
  await reloadQuestions();
}

/**
 * @param {string} id
 * @param {string} name
 */
export function removeQuestion(id, name) {
  confirmThen(
    `Remove “${name}”?`,
    "No camera is asked it any more. Its events stay.",
    "Remove",
    async () => {
      await ask(`api/questions/${encodeURIComponent(id)}`, { method: "DELETE" });
      await reloadQuestions();
    },
  );
}

const reloadQuestions = () => Promise.all([loadService(), loadCameras()]);

/**
 * @param {FormData} data
 * @param {string} name
 */
const text = (data, name) => String(data.get(name) ?? "").trim();
