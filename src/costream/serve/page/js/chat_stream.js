/** Answers in OpenAI's format, as they are written. */
import { ApiError } from "./api.js";

/**
 * Yields pieces of text of a streamed chat completion.
 * @param {Response} response
 * @returns {AsyncGenerator<string>}
 * @throws {ApiError} the service says in mid-stream what went wrong
 */
export async function* chatPieces(response) {
  for await (const data of eventData(response)) {
    if (data === "[DONE]") return;
    const chunk = JSON.parse(data);
    if (chunk.error) throw new ApiError(200, chunk.error.message);
    const piece = chunk.choices?.[0]?.delta?.content;
    if (piece) yield piece;
  }
}

/**
 * Yields the data of Server-Sent Events of a response's body.
 * @param {Response} response
 * @returns {AsyncGenerator<string>}
 */
async function* eventData(response) {
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  if (!reader) return;
  let rest = "";
  for (let next = await reader.read(); !next.done; next = await reader.read()) {
    const lines = (rest + next.value).split(/\r?\n/);
    rest = lines.pop() ?? "";
    for (const line of lines) if (line.startsWith("data:")) yield line.slice(5).trim();
  }
}
