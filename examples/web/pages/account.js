// The account page, for a user who is logged in.
import { call, needsProof, onSubmit, Problem } from "./auth.js";

const byId = (id) => document.getElementById(id);

// showStatus shows the result of an action in a section of the page.
function showStatus(section, text) {
  byId(section + "-status").textContent = text;
}

// onClick calls action when a button is clicked, unless it is still running, and shows in a section of
// the page why it failed.
function onClick(button, section, action) {
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    byId(section + "-error").textContent = "";
    try {
      await action();
    } catch (problem) {
      byId(section + "-error").textContent = problem.message;
    } finally {
      busy = false;
    }
  });
}

// confirmed calls action. If the server asks for a recent proof of identity, it asks the user for the
// password, and calls action again.
async function confirmed(action) {
  try {
    return await action();
  } catch (problem) {
    if (!needsProof(problem)) throw problem;
  }
  const dialog = byId("confirm");
  dialog.returnValue = "";
  dialog.showModal();
  await new Promise((resolve) => { dialog.addEventListener("close", resolve, { once: true }); });
  if (dialog.returnValue !== "confirmed") throw new Problem(0, "cancelled", "Nothing has been changed.");
  return action();
}

const confirmForm = byId("confirm-form");
onSubmit(confirmForm, byId("confirm-error"), () => "password", async ({ password }) => {
  await call("POST", "/step-up", { password });
  byId("confirm").close("confirmed");
});
byId("confirm-cancel").addEventListener("click", () => byId("confirm").close());
byId("confirm").addEventListener("close", () => {
  confirmForm.elements.password.value = "";
  byId("confirm-error").textContent = "";
});

async function showProfile() {
  const me = await call("GET", "/me");
  byId("profile-username").textContent = me.username;
  byId("profile-id").textContent = me.id;
  for (const field of document.querySelectorAll("input[name=username]")) field.value = me.username;
}

async function showSessions() {
  const { sessions } = await call("GET", "/sessions");
  byId("sessions").replaceChildren(...sessions.map(row));
  byId("end-others").hidden = sessions.length < 2;
}

// row returns the list item of a session.
function row(session) {
  const item = byId("session").content.cloneNode(true).firstElementChild;
  const name = device(session.user_agent);
  const lastUsed = new Date(session.last_used_at);
  const when = lastUsed.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  item.querySelector("strong").textContent = name;
  item.querySelector(".ip").textContent = session.ip ? session.ip + ", " : "";
  item.querySelector("time").textContent = when;
  item.querySelector("time").dateTime = lastUsed.toISOString();
  const end = item.querySelector("button");
  if (session.current) {
    item.querySelector(".badge").hidden = false;
    end.remove();
    return item;
  }
  end.setAttribute("aria-label", `Log out ${name}, last active ${when}`);
  onClick(end, "sessions", async () => {
    try {
      await confirmed(() => call("DELETE", "/sessions/" + encodeURIComponent(session.id)));
    } catch (problem) {
      if (problem.code !== "session_not_found") throw problem; // the session has already ended
    }
    await showSessions();
    showStatus("sessions", `You are logged out of ${name}.`);
    byId("sessions-title").focus(); // the button that had the focus is gone
  });
  return item;
}

// device returns a name for a User-Agent header, which may hold any text.
function device(agent = "") {
  const find = (names) => names.find(([mark]) => agent.includes(mark))?.[1];
  const browser = find([["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]);
  const system = find([["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS X", "macOS"], ["Linux", "Linux"]]);
  if (browser && system) return `${browser} on ${system}`;
  return browser || system || agent.slice(0, 60) || "Unknown device";
}

onClick(byId("end-others"), "sessions", async () => {
  await confirmed(() => call("DELETE", "/sessions"));
  await showSessions();
  showStatus("sessions", "You are logged out of all other devices.");
  byId("sessions-title").focus();
});

onClick(byId("logout"), "logout", async () => {
  await call("POST", "/logout");
  location.replace("/login#out");
});

const form = byId("password-form");
const focus = (problem) => problem.code?.startsWith("password_") ? "new_password" : "current_password";
onSubmit(form, byId("password-error"), focus, async ({ current_password, new_password }) => {
  showStatus("password", "");
  showStatus("sessions", "");
  await call("POST", "/password", { current_password, new_password });
  form.reset();
  form.elements.username.value = byId("profile-username").textContent;
  await showSessions();
  showStatus("password", "Your password has been changed.");
});

onSubmit(byId("delete-form"), byId("delete-error"), () => "current_password", async ({ current_password }) => {
  await call("POST", "/account/delete", { current_password });
  location.replace("/login#deleted");
});

// A browser that navigates back may show the page as it was, also after a logout: load it again.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

try {
  await Promise.all([showProfile(), showSessions()]);
  byId("account").hidden = false;
} catch (problem) {
  byId("load-error").textContent = problem.message;
}
