// The login page and the registration page.
import { onSubmit, send } from "./auth.js";

const errors = document.getElementById("error");
const login = document.getElementById("login");

const notice = {
  "#ended": "Your session has ended. Please log in again.",
  "#out": "You are logged out.",
  "#deleted": "Your account has been deleted.",
  "#verified": "Your address is confirmed. You can log in by mail, too.",
}[location.hash];
if (login && notice) {
  history.replaceState(null, "", "/login");
  document.getElementById("status").textContent = notice;
}

if (login) {
  onSubmit(login, errors, () => "password", async ({ username, password }) => {
    await send("POST", "/login", { username, password });
    location.assign("/");
  });
} else {
  const usernameCodes = ["username_taken", "invalid_username"];
  const focus = (problem) => usernameCodes.includes(problem.code) ? "username" : "password";
  onSubmit(document.getElementById("register"), errors, focus, async ({ username, password }) => {
    await send("POST", "/register", { username, password });
    const next = await send("POST", "/login", { username, password }).then(() => "/", () => "/login");
    location.assign(next);
  });
}
