// The pages that lead in: login and registration.
import { onSubmit, send } from "./auth.js";

const errors = document.getElementById("error");
const login = document.getElementById("login");

const said = { "#ended": "Your session has ended. Log in again.", "#out": "You are logged out.", "#deleted": "Your account is deleted." }[location.hash];
if (login && said) {
  history.replaceState(null, "", "/login");
  document.getElementById("status").textContent = said;
}

if (login) {
  onSubmit(login, errors, () => "password", async ({ username, password }) => {
    await send("POST", "/login", { username, password });
    location.assign("/");
  });
} else {
  const inUsername = ["username_taken", "invalid_username"];
  const focus = (problem) => inUsername.includes(problem.code) ? "username" : "password";
  onSubmit(document.getElementById("register"), errors, focus, async ({ username, password }) => {
    await send("POST", "/register", { username, password });
    const next = await send("POST", "/login", { username, password }).then(() => "/", () => "/login");
    location.assign(next);
  });
}
