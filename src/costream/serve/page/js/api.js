/** Requests to the service. Paths are relative, so that the page works under any prefix. */

/** What the service refused, in its own sentence. */
export class ApiError extends Error {
  /**
   * @param {number} status 0 where the service could not be reached
   * @param {string} message
   * @param {string | null} field the field that it is about
   */
  constructor(status, message, field = null) {
    super(message);
    this.status = status;
    this.field = field;
  }
}

/**
 * Sends a request and returns its response, which is a success.
 * @param {string} path
 * @param {{method?: string, body?: unknown, signal?: AbortSignal}} [options]
 * @returns {Promise<Response>}
 * @throws {ApiError}
 */
export async function send(path, { method = "GET", body, signal } = {}) {
  /** @type {RequestInit} */
  const init = { method, signal };
  if (body !== undefined) {
    init.body = JSON.stringify(body);
    init.headers = { "Content-Type": "application/json" };
  }
  const response = await reach(path, init);
  if (!response.ok) throw await refusal(response);
  return response;
}

/**
 * Returns what the service answers, as JSON; undefined where it answers without a body.
 * @param {string} path
 * @param {{method?: string, body?: unknown, signal?: AbortSignal}} [options]
 * @returns {Promise<any>}
 * @throws {ApiError}
 */
export async function ask(path, options) {
  const response = await send(path, options);
  return response.status === 204 ? undefined : response.json();
}

/**
 * @param {string} path
 * @param {RequestInit} init
 */
async function reach(path, init) {
  try {
    return await fetch(path, init);
  } catch (error) {
    if (error instanceof DOMException) throw error;
    throw new ApiError(0, "The service can't be reached: check that it runs.");
  }
}

/** @param {Response} response */
async function refusal(response) {
  const body = await response.json().catch(() => null);
  const problem = body?.error ?? {};
  const message = problem.message ?? `The service answered ${response.status}.`;
  return new ApiError(response.status, message, problem.field ?? null);
}

/** @param {string} camera */
export const cameraPath = (camera) => `api/cameras/${encodeURIComponent(camera)}`;

/** @param {string} event */
export const eventPath = (event) => `api/events/${encodeURIComponent(event)}`;
