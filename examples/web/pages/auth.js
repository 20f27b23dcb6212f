// Calls the endpoints under /auth. The tokens are in cookies, which no script can read.

// Problem is a refusal (RFC 9457): code is for programs, message for people.
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

// send sends a request and returns the body of the reply, or throws a Problem.
export async function send(method, path, body) {
  const options = { method, headers: { Accept: "application/json" } };
  if (body) {
    options.headers["Content-Type"] = "application/json";
    options.body = JSON.stringify(body);
  }
  let response;
  try {
    response = await fetch("/auth" + path, options);
  } catch {
    throw new Problem(0, "unreachable", "The server cannot be reached. Please try again.");
  }
  const reply = await response.json().catch(() => ({}));
  if (response.ok) return reply;
  throw new Problem(response.status, reply.code, sentence(reply.detail) + wait(response.headers.get("Retry-After")));
}

function sentence(detail) {
  if (!detail) return "Something went wrong. Please try again.";
  return detail[0].toUpperCase() + detail.slice(1) + ".";
}

function wait(seconds) {
  if (!(seconds > 0)) return "";
  return seconds > 90 ? ` Wait ${Math.ceil(seconds / 60)} minutes.` : ` Wait ${seconds} seconds.`;
}

// Requests in parallel share one refresh, and one way to the login page.
let refreshing; // promise of the refresh in progress
let refreshes = 0; // number of refreshes that succeeded
let leaving = false; // whether the login page is being loaded

function refresh() {
  refreshing ??= send("POST", "/refresh").then(() => { refreshes++; }).finally(() => { refreshing = undefined; });
  return refreshing;
}

// needsProof reports whether the user must prove their identity again, by POST /step-up.
export const needsProof = (problem) => problem.code === "insufficient_user_authentication";

// call is send for a user who is logged in. If the access token has expired, it refreshes and sends the
// request again. If the session has ended, it loads the login page.
export async function call(method, path, body) {
  const before = refreshes;
  try {
    return await send(method, path, body);
  } catch (problem) {
    if (problem.status !== 401 || needsProof(problem)) throw problem;
  }
  try {
    if (before === refreshes) await refresh();
    return await send(method, path, body);
  } catch (problem) {
    if (problem.status !== 401 && problem.code !== "invalid_grant" || needsProof(problem)) throw problem;
    if (!leaving) location.replace(problem.code === "invalid_grant" ? "/login#ended" : "/login");
    leaving = true;
    return new Promise(() => {}); // never resolves: another page is being loaded
  }
}

// onSubmit calls action with the fields of a form when it is submitted, unless it is still running. It
// shows in errors why action failed, and gives the focus to the field that focus names.
export function onSubmit(form, errors, focus, action) {
  let busy = false;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (busy) return;
    busy = true;
    form.setAttribute("aria-busy", "true");
    errors.textContent = "";
    for (const field of form.querySelectorAll("[aria-invalid]")) field.removeAttribute("aria-invalid");
    try {
      await action(Object.fromEntries(new FormData(form)));
    } catch (problem) {
      errors.textContent = problem.message;
      const field = form.elements[focus(problem)];
      field.setAttribute("aria-invalid", "true");
      field.focus();
      field.select?.();
    } finally {
      busy = false;
      form.removeAttribute("aria-busy");
    }
  });
}

// Buttons that show and hide the password in the field that they control.
for (const button of document.querySelectorAll("button.show")) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.ariaLabel = button.ariaLabel.replace(/^\w+/, button.textContent);
  };
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // password managers expect a password field
}
