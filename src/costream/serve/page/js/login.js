/** The login: the service's token, which the browser then has a session for. */
import { openDialog } from "./dialog.js";
import { h } from "./dom.js";
import { field, form } from "./form.js";
import { logIn } from "./live.js";

/**
 * Returns a form that takes the token.
 * @param {() => void} [done]
 */
export function loginForm(done = () => {}) {
  return form({
    fields: [
      h("input", { name: "username", value: "CoStream", autocomplete: "username", hidden: true }),
      field({
        name: "token",
        label: "Token",
        hint: "It stands in the service's file as server.token, or in the file that server.token_file names.",
        input: { type: "password", required: true, autocomplete: "current-password" },
      }),
    ],
    verb: "Log in",
    submit: (data) => logIn(String(data.get("token"))),
    done: () => {
      done();
      document.dispatchEvent(new Event("costream:login"));
    },
  });
}

export function openLogin() {
  openDialog("Log in", (close) => [loginForm(close)]);
}
