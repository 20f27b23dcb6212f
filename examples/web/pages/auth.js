// Calls the endpoints below /auth. The tokens are in cookies: no script reads them.

// Problem is an answer that is a refusal (RFC 9457): code is for programs, message
// for people.
export class Problem extends Error {
  constructor(status, code, message) {
    super(message);
    Object.assign(this, { status, code });
  }
}

// send makes a request and returns what it is answered, or throws a Problem.
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
    throw new Problem(0, "unreachable", "The server cannot be reached. Try again.");
  }
  const answer = await response.json().catch(() => ({}));
  if (response.ok) return answer;
  throw new Problem(response.status, answer.code, sentence(answer.detail) + wait(response.headers.get("Retry-After")));
}

function sentence(detail) {
  if (!detail) return "Something went wrong. Try again.";
  return detail[0].toUpperCase() + detail.slice(1) + ".";
}

function wait(seconds) {
  if (!(seconds > 0)) return "";
  return seconds > 90 ? ` Wait ${Math.ceil(seconds / 60)} minutes.` : ` Wait ${seconds} seconds.`;
}

// Of requests side by side, the first to be refused refreshes for all, and leaves for
// all: refreshed counts how often tokens were renewed.
let refreshing, refreshed = 0, leaving = false;

function refresh() {
  refreshing ??= send("POST", "/refresh").then(() => { refreshed++; }).finally(() => { refreshing = undefined; });
  return refreshing;
}

// call is send for who is logged in: where the access token has expired it refreshes
// and tries again, and where the session is over it leads to the login.
export async function call(method, path, body) {
  const before = refreshed;
  try {
    return await send(method, path, body);
  } catch (problem) {
    if (problem.status !== 401) throw problem;
  }
  try {
    if (before === refreshed) await refresh();
    return await send(method, path, body);
  } catch (problem) {
    if (problem.status !== 401 && problem.code !== "invalid_grant") throw problem;
    if (!leaving) location.replace(problem.code === "invalid_grant" ? "/login#ended" : "/login");
    leaving = true;
    return new Promise(() => {}); // the page is on its way out
  }
}

// onSubmit has a form send its fields by action, once at a time, and show in
// errors why it was refused; then the field that focus names has the focus.
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
      field.select();
    } finally {
      busy = false;
      form.removeAttribute("aria-busy");
    }
  });
}

// Buttons that show what is typed into the field they control.
for (const button of document.querySelectorAll("button.show")) {
  const field = document.getElementById(button.getAttribute("aria-controls"));
  const show = (shown) => {
    field.type = shown ? "text" : "password";
    button.textContent = shown ? "Hide" : "Show";
    button.ariaLabel = button.ariaLabel.replace(/^\w+/, button.textContent);
  };
  button.addEventListener("click", () => show(field.type === "password"));
  field.form.addEventListener("submit", () => show(false)); // for password managers
}
