/** Forms, and the service's sentences by the fields that they are about. */
import { ApiError } from "./api.js";
import { fill, h } from "./dom.js";
import { sentence } from "./words.js";

let numbered = 0;

/**
 * @typedef {object} Field
 * @property {string} name as the API calls it
 * @property {string} label
 * @property {string} [hint]
 * @property {string} [value]
 * @property {Record<string, any>} [input] further attributes of the input
 */

/**
 * Returns a labelled input with room for a problem.
 * @param {Field} field
 */
export function field({ name, label, hint, value, input = {} }) {
  const id = `field-${(numbered += 1)}`;
  const described = `${id}-problem${hint ? ` ${id}-hint` : ""}`;
  return h(
    "div",
    { class: "field", "data-field": name },
    h("label", { for: id }, label),
    hint && h("p", { class: "hint", id: `${id}-hint` }, hint),
    h("input", { id, name, value, "aria-describedby": described, autocomplete: "off", ...input }),
    h("p", { class: "problem", id: `${id}-problem` }),
  );
}

/** Returns the input of what something is called in URLs. */
export const idField = (/** @type {string} */ example) =>
  field({
    name: "id",
    label: "Short name",
    hint: "For links and topics: small letters, digits, - and _.",
    input: {
      required: true,
      pattern: "[a-z0-9][a-z0-9_\\-]{0,62}",
      title: "Use small letters, digits, - and _, and begin with a letter or digit.",
      placeholder: example,
      spellcheck: "false",
      autocapitalize: "none",
    },
  });

/**
 * Returns a form that sends what was entered, shows what was refused, and closes when it was taken.
 * @param {{fields: Node[], verb: string, submit: (data: FormData) => Promise<unknown>,
 *   done: () => void}} options
 */
export function form({ fields, verb, submit, done }) {
  const problem = h("p", { class: "problem", role: "alert" });
  const button = h("button", { class: "primary" }, verb);
  const onsubmit = async (/** @type {SubmitEvent} */ event) => {
    event.preventDefault();
    clearProblems(element);
    button.disabled = true;
    try {
      refuseAtOnce(element);
      await submit(new FormData(element));
      done();
    } catch (error) {
      showProblem(element, problem, error);
    } finally {
      button.disabled = false;
    }
  };
  const element = h(
    "form",
    { onsubmit, novalidate: true },
    fields,
    problem,
    h("div", { class: "actions" }, button),
  );
  return element;
}

/**
 * @param {HTMLFormElement} element
 * @throws {ApiError} a field that is needed is empty, or has not the form that its title says
 */
function refuseAtOnce(element) {
  for (const { name, title, validity } of element.querySelectorAll("input")) {
    if (validity.valueMissing) throw new ApiError(422, "This is needed.", name);
    if (validity.patternMismatch) throw new ApiError(422, title, name);
  }
}

/** @param {HTMLFormElement} element */
function clearProblems(element) {
  for (const problem of element.querySelectorAll(".problem")) fill(problem);
  for (const input of element.querySelectorAll("[aria-invalid]"))
    input.removeAttribute("aria-invalid");
}

/**
 * @param {HTMLFormElement} element
 * @param {HTMLElement} general
 * @param {unknown} error
 */
function showProblem(element, general, error) {
  if (!(error instanceof ApiError)) throw error;
  const name = error.field ?? "";
  const place = element.querySelector(`[data-field="${CSS.escape(name)}"]`);
  const message = sentence(
    error.field && !place ? `${error.field}: ${error.message}` : error.message,
  );
  fill(place?.querySelector(".problem") ?? general, message);
  const input = place?.querySelector("input");
  input?.setAttribute("aria-invalid", "true");
  input?.focus();
}
