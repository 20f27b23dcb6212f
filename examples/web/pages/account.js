// The page of who is logged in.
import { call, onSubmit } from "./auth.js";

const at = (id) => document.getElementById(id);

// say tells what came of it in a part of the page.
function say(part, text) {
  at(part + "-status").textContent = text;
}

// onClick has a button do something, once at a time, and tell in a part of the page
// why it was refused.
function onClick(button, part, action) {
  let busy = false;
  button.addEventListener("click", async () => {
    if (busy) return;
    busy = true;
    at(part + "-error").textContent = "";
    try {
      await action();
    } catch (problem) {
      at(part + "-error").textContent = problem.message;
    } finally {
      busy = false;
    }
  });
}

async function showProfile() {
  const me = await call("GET", "/me");
  at("profile-username").textContent = me.username;
  at("profile-id").textContent = me.id;
  for (const field of document.querySelectorAll("input[name=username]")) field.value = me.username;
}

async function showSessions() {
  const { sessions } = await call("GET", "/sessions");
  at("sessions").replaceChildren(...sessions.map(row));
  at("end-others").hidden = sessions.length < 2;
}

// row returns the list's item for a session.
function row(session) {
  const item = at("session").content.cloneNode(true).firstElementChild;
  const name = device(session.user_agent);
  const used = new Date(session.last_used_at);
  const when = used.toLocaleString([], { dateStyle: "medium", timeStyle: "short" });
  item.querySelector("strong").textContent = name;
  item.querySelector(".ip").textContent = session.ip ? session.ip + ", " : "";
  item.querySelector("time").textContent = when;
  item.querySelector("time").dateTime = used.toISOString();
  const end = item.querySelector("button");
  if (session.current) {
    item.querySelector(".badge").hidden = false;
    end.remove();
    return item;
  }
  end.setAttribute("aria-label", `End this one: ${name}, last used ${when}`);
  onClick(end, "sessions", async () => {
    try {
      await call("DELETE", "/sessions/" + encodeURIComponent(session.id));
    } catch (problem) {
      if (problem.code !== "session_not_found") throw problem; // it has ended already
    }
    await showSessions();
    say("sessions", "The session has ended.");
    at("sessions-title").focus(); // the button that had it is gone
  });
  return item;
}

// device names a browser by what it says of itself, which may be anything.
function device(agent = "") {
  const find = (names) => names.find(([mark]) => agent.includes(mark))?.[1];
  const browser = find([["Edg/", "Edge"], ["OPR/", "Opera"], ["Firefox/", "Firefox"], ["Chrome/", "Chrome"], ["Safari/", "Safari"]]);
  const system = find([["Android", "Android"], ["iPhone", "iPhone"], ["iPad", "iPad"], ["Windows", "Windows"], ["Mac OS X", "macOS"], ["Linux", "Linux"]]);
  if (browser && system) return `${browser} on ${system}`;
  return browser || system || agent.slice(0, 60) || "Unknown device";
}

onClick(at("end-others"), "sessions", async () => {
  await call("DELETE", "/sessions");
  await showSessions();
  say("sessions", "All other sessions have ended.");
  at("sessions-title").focus();
});

onClick(at("logout"), "logout", async () => {
  await call("POST", "/logout");
  location.replace("/login#out");
});

const form = at("password-form");
const focus = (problem) => problem.code?.startsWith("password_") ? "new_password" : "current_password";
onSubmit(form, at("password-error"), focus, async ({ current_password, new_password }) => {
  say("password", "");
  say("sessions", "");
  await call("POST", "/password", { current_password, new_password });
  form.reset();
  form.elements.username.value = at("profile-username").textContent;
  await showSessions();
  say("password", "Your password is changed.");
});

onSubmit(at("delete-form"), at("delete-error"), () => "current_password", async ({ current_password }) => {
  await call("POST", "/account/delete", { current_password });
  location.replace("/login#deleted");
});

// A browser that goes back to this page may have kept it as it was.
addEventListener("pageshow", (event) => { if (event.persisted) location.reload(); });

try {
  await Promise.all([showProfile(), showSessions()]);
  at("account").hidden = false;
} catch (problem) {
  at("broken").textContent = problem.message;
}
