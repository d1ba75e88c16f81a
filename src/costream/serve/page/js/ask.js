/** The ask box: questions to a camera, answered from its current window as the model writes. */
import { ApiError, send } from "./api.js";
import { fill, h } from "./dom.js";
import { icon } from "./icons.js";
import { chatPieces } from "./chat_stream.js";

/** @typedef {{role: "user" | "assistant", content: string, problem?: string}} Turn */

/** @type {Map<string, Turn[]>} what was said to each camera since the page was opened */
const talks = new Map();

/** Turns that the model is told of again: six questions and their answers. */
const REMEMBERED = 12;

const SUGGESTIONS = ["What is happening now?", "Is anything unusual?", "Describe who is in view."];

export class AskBox {
  /** @param {string} camera */
  constructor(camera) {
    this.camera = camera;
    this.turns = talks.get(camera) ?? [];
    talks.set(camera, this.turns);
    /** @type {AbortController | null} */
    this.answering = null;
    this.log = h("div", { class: "talk", role: "log", "aria-label": "Questions and answers" });
    this.input = h("input", {
      id: "ask",
      name: "question",
      placeholder: "Ask about what it sees now",
      "aria-label": "Ask this camera",
      autocomplete: "off",
      maxlength: 2000,
    });
    this.button = h("button", { class: "primary icon-button" });
    this.element = h(
      "section",
      { class: "panel ask", "aria-label": "Ask this camera" },
      h("h2", {}, "Ask this camera"),
      this.log,
      h(
        "form",
        { onsubmit: (/** @type {SubmitEvent} */ event) => this.submit(event) },
        this.input,
        this.button,
      ),
    );
    this.show();
  }

  close() {
    this.answering?.abort();
  }

  show() {
    const first = this.turns.length === 0;
    fill(this.log, first ? this.suggestions() : this.turns.map(turnElement));
    this.showButton();
    this.log.scrollTop = this.log.scrollHeight;
  }

  showButton() {
    this.button.setAttribute("aria-label", this.answering ? "Stop the answer" : "Ask");
    fill(this.button, icon(this.answering ? "stop" : "send"));
    this.log.setAttribute("aria-busy", String(this.answering !== null));
  }

  suggestions() {
    const ask = (/** @type {string} */ text) => () => this.ask(text);
    return [
      h(
        "p",
        { class: "hint" },
        "Answers come from the seconds that the model already holds in memory. They are descriptions, not decisions.",
      ),
      h(
        "div",
        { class: "suggestions" },
        SUGGESTIONS.map((text) =>
          h("button", { type: "button", class: "suggestion", onclick: ask(text) }, text),
        ),
      ),
    ];
  }

  /** @param {SubmitEvent} event */
  submit(event) {
    event.preventDefault();
    const text = this.input.value.trim();
    if (this.answering) this.answering.abort();
    else if (text) this.ask(text);
  }

  /** @param {string} text */
  async ask(text) {
    if (this.answering) return;
    this.input.value = "";
    this.input.focus();
    /** @type {Turn} */
    const answer = { role: "assistant", content: "" };
    const messages = [...this.history(), { role: "user", content: text }];
    this.turns.push({ role: "user", content: text }, answer);
    this.answering = new AbortController();
    this.show();
    try {
      await this.receive(answer, messages, this.answering.signal);
    } catch (error) {
      answer.problem = problemOf(error);
    } finally {
      this.answering = null;
      this.show();
    }
  }

  /** Returns what was said last, without questions that were not answered. */
  history() {
    const answered = this.turns.filter((turn, index) => {
      const answer = turn.role === "user" ? this.turns[index + 1] : turn;
      return answer?.content;
    });
    return answered.slice(-REMEMBERED).map(({ role, content }) => ({ role, content }));
  }

  /**
   * @param {Turn} answer
   * @param {{role: string, content: string}[]} messages
   * @param {AbortSignal} signal
   */
  async receive(answer, messages, signal) {
    const body = { model: "costream", camera: this.camera, stream: true, messages };
    const response = await send("v1/chat/completions", { method: "POST", body, signal });
    for await (const piece of chatPieces(response)) {
      answer.content += piece;
      const last = this.log.lastElementChild?.lastElementChild;
      if (last) last.textContent = answer.content;
      this.log.scrollTop = this.log.scrollHeight;
    }
    if (!answer.content) answer.problem = "The model gave no answer: put the question otherwise.";
  }
}

/** @param {Turn} turn */
function turnElement({ role, content, problem }) {
  const who = role === "user" ? "You asked" : "The model answered";
  return h(
    "div",
    { class: `turn ${role}` },
    h("span", { class: "unseen" }, `${who}: `),
    problem && h("p", { class: "problem" }, problem),
    h("p", { class: content ? "words" : "words waiting" }, content),
  );
}

/** @param {unknown} error */
function problemOf(error) {
  if (error instanceof DOMException) return "You stopped this answer.";
  if (error instanceof ApiError) return error.message;
  if (error instanceof TypeError)
    return "The connection broke while the model was answering: ask again.";
  throw error;
}
