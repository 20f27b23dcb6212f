// The page that asks for a login by mail, and the pages that links of mails open. A link acts when the
// user presses the button, because programs that scan mails open every link.
import { onSubmit, send } from "./auth.js";

const byId = (id) => document.getElementById(id);

// The token is taken out of the address bar and the history.
const token = new URLSearchParams(location.search).get("token") ?? "";
history.replaceState(null, "", location.pathname);

if (byId("ask")) {
  let challenge; // belongs to the code of the last mail
  onSubmit(byId("ask"), byId("ask-error"), () => "address", async ({ address }) => {
    ({ challenge } = await send("POST", "/login/link/request", { address }));
    byId("sent").textContent = "If an account has confirmed this address, we have sent a mail to it. " +
      "Open its link in this browser, or enter its code here. If nothing comes, ask again after a minute.";
    byId("enter-code").hidden = false;
    byId("code").focus();
  });
  onSubmit(byId("enter-code"), byId("code-error"), () => "code", async ({ code }) => {
    await send("POST", "/login/code", { challenge, code });
    location.assign("/");
  });
}

if (byId("link")) {
  onSubmit(byId("link"), byId("link-error"), () => "log-in", async () => {
    try {
      await send("POST", "/login/link", { token });
      location.assign("/");
    } catch (problem) {
      if (problem.code !== "other_browser") throw problem;
      byId("link").hidden = true;
      byId("other-browser").hidden = false;
      byId("other-title").focus();
    }
  });
}

if (byId("verify")) {
  const confirm = async (password) => {
    await send("POST", "/verify", { token, ...password });
    location.assign("/login#verified");
  };
  onSubmit(byId("verify"), byId("verify-error"), () => "current_password", ({ current_password }) => confirm({ current_password }));
  onSubmit(byId("claim"), byId("claim-error"), () => "new_password", ({ new_password }) => confirm({ new_password }));
}
