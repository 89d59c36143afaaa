// Which view is shown, and what feeds it. A view is { url, render(data), leave() }.
import { alertsView } from "./alerts.js";
import { h, fill } from "./dom.js";
import { engineView } from "./engine.js";
import { overviewView } from "./overview.js";
import { Poll } from "./poll.js";
import { routeView } from "./route.js";

const main = document.getElementById("main");
let view = null;

const poll = new Poll(
  (data) => {
    showOpenAlerts(data.open_alerts);
    view.render(data);
  },
  (kind, detail) => showConnection(kind, detail),
);

/** The view that the address names, e.g. #/route/acme%2Fchat?segment=code. */
function open() {
  const [path, query = ""] = window.location.hash.replace(/^#\/?/, "").split("?");
  const [name, rest] = path.split("/");
  const params = new URLSearchParams(query);
  view?.leave?.();
  const root = h("div", { class: "stack" });
  const follow = (url) => poll.follow(url);
  if (name === "route" && rest) view = routeView(root, decode(rest), params, follow);
  else if (name === "alerts") view = alertsView(root, params, follow);
  else if (name === "engine") view = engineView(root);
  else view = overviewView(root, params, follow);
  fill(main, root);
  document.title = view.title ? `${view.title} · thalweg` : "thalweg";
  for (const link of document.querySelectorAll("nav a")) {
    const here = link.dataset.view === (view.under ?? "overview");
    if (here) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
  window.scrollTo(0, 0);
  poll.follow(view.url);
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text; // a bare % in a hand-written address
  }
}

function showOpenAlerts(count) {
  const badge = document.getElementById("open-alerts");
  badge.hidden = !count;
  badge.textContent = count ? String(count) : "";
  badge.title = count ? `${count} open` : "";
}

let lastAnswer = null;

function showConnection(kind, detail) {
  const words = { live: "Live", paused: "Paused", lost: "Connection lost" };
  const place = document.getElementById("connection");
  place.textContent = words[kind];
  place.className = `connection ${kind}`;
  const notice = document.getElementById("lost");
  notice.hidden = kind !== "lost";
  if (kind === "live") lastAnswer = new Date();
  if (kind === "lost") {
    const since = lastAnswer ? ` What you see is of ${lastAnswer.toLocaleTimeString()}.` : "";
    notice.textContent =
      `No answer from the worker (${detail}). It may have stopped or be restarting; ` +
      `this page tries again every 2 s.${since}`;
  }
}

document.getElementById("pause").addEventListener("click", (event) => {
  poll.paused = !poll.paused;
  event.target.textContent = poll.paused ? "Resume" : "Pause";
  event.target.setAttribute("aria-pressed", String(poll.paused));
});

const themeButton = document.getElementById("theme");
const nameTheme = () => {
  const next = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
  themeButton.textContent = next === "dark" ? "Dark" : "Light";
  themeButton.setAttribute("aria-label", `Switch to ${next} colours`);
};
themeButton.addEventListener("click", () => window.toggleTheme());
window.addEventListener("themechange", nameTheme);
nameTheme();

window.addEventListener("hashchange", open);
open();
