// One route: its arms over time, what was detected, and what steers it.
import { armsOf, begun } from "./arms.js";
import { discard, place, withoutCharts } from "./charts.js";
import { card, empty, fill, h } from "./dom.js";
import { Drawing } from "./drawing.js";
import { incidentList, routeUrl } from "./incidents.js";
import { colour } from "./palette.js";
import { armsTable } from "./route_arms.js";
import { drawCost, drawLatency, drawPareto, drawReward, drawShares } from "./route_charts.js";
import { counters, head, notHere } from "./route_head.js";
import { panels } from "./route_panels.js";

const small = (text) => h("span", { class: "muted small", text });

export function routeView(root, route, params, follow) {
  const asked = { segment: params.get("segment") ?? "", span: params.get("span") ?? "15m" };
  const hidden = new Set();
  let latest = null;
  const plots = {
    reward: place(),
    share: place(),
    cost: place(),
    latency: place(),
    pareto: place(),
  };
  const drawing = new Drawing(Object.values(plots));
  const named = ["head", "notice", "figures", "legend", "arms", "panels", "incidents", "policy"];
  const parts = Object.fromEntries(named.map((name) => [name, h("div", { class: "stack" })]));
  const charts = h(
    "div",
    { class: "two" },
    card("Reward", plots.reward, small("mean with 95 % interval")),
    card("Shares", plots.share, small("of decisions")),
    card("Cost", plots.cost, small("mean per request")),
    card("Latency", plots.latency, small("p95, and p50 dotted")),
  );
  const title = h("h2", {});
  const pareto = h(
    "section",
    { class: "card" },
    h("header", {}, title, small("ringed and joined: no other arm is better in both")),
    plots.pareto,
  );
  const told = h("div", { class: "stack" }, pareto, parts.incidents);
  const lower = h("div", { class: "two top-aligned" }, told, parts.panels);
  const body = h("div", { class: "stack" }, parts.figures, parts.legend, charts, parts.arms, lower, parts.policy);
  root.append(parts.head, parts.notice, body);

  const address = () => `api/route?${new URLSearchParams({ route, span: asked.span })}`;
  const ask = (name, value) => {
    asked[name] = value;
    window.history.replaceState(null, "", routeUrl(route, asked));
    if (name === "span") follow(address());
    else render(latest);
  };

  const render = (data) => {
    latest = data;
    fill(parts.head, head(data, asked, ask));
    body.hidden = data.whereabouts !== "here";
    fill(parts.notice, body.hidden ? notHere(data) : []);
    if (body.hidden) return;
    fill(parts.figures, counters(data));
    if (data.history) data.history = begun(data.history);
    const arms = armsOf(data, asked.segment);
    const lately = asked.segment ? `beliefs of segment ${asked.segment}; the rest of all requests` : "";
    fill(parts.arms, armsTable(arms, small(lately)));
    fill(parts.panels, panels(data.summary, asked.segment));
    fill(parts.incidents, card("Alerts of this route", data.incidents.length ? incidentList(data.incidents, { withRoute: false }) : empty("No alerts", "When a detector or a limit of the policy finds something, it appears here and as a mark on the curves.")));
    fill(parts.policy, data.policy ? policyCard(data) : []);
    showCharts(data, arms);
  };
  const showCharts = (data, arms) => {
    const drawn = data.charts && data.history !== null;
    charts.hidden = !drawn;
    pareto.hidden = !drawn;
    if (!data.charts) fill(parts.legend, withoutCharts());
    else fill(parts.legend, drawn ? legend(arms, hidden, toggle) : []);
    if (!drawn) return;
    const shown = arms.filter((arm) => arm.curve && !hidden.has(arm.id));
    title.textContent = data.front_by === "quality" ? "Quality against cost" : "Reward against cost";
    pareto.setAttribute("aria-label", title.textContent);
    drawing.show([
      [plots.reward, () => drawReward(plots.reward, data.history, shown)],
      [plots.share, () => drawShares(plots.share, data.history, shown)],
      [plots.cost, () => drawCost(plots.cost, data.history, shown)],
      [plots.latency, () => drawLatency(plots.latency, data.history, shown)],
      [plots.pareto, () => drawPareto(plots.pareto, shown, data.front_by)],
    ]);
  };
  const toggle = (id) => {
    if (!hidden.delete(id)) hidden.add(id);
    render(latest);
  };
  const recolour = () => latest && render(latest);
  window.addEventListener("themechange", recolour);
  const leave = () => {
    window.removeEventListener("themechange", recolour);
    drawing.stop();
    Object.values(plots).forEach(discard);
  };
  return { url: address(), under: "overview", title: route, render, leave };
}

/** The arms with their colours; a press hides one from all charts. */
function legend(arms, hidden, toggle) {
  return h(
    "div",
    { class: "legend", role: "group", "aria-label": "Arms shown in the charts" },
    arms.map((arm) =>
      h(
        "button",
        {
          type: "button",
          class: "quiet",
          "data-key": `arm-${arm.id}`,
          "aria-pressed": String(!hidden.has(arm.id)),
          title: hidden.has(arm.id) ? "Show in the charts" : "Hide from the charts",
          on: { click: () => toggle(arm.id) },
        },
        h("span", { class: "swatch", style: { background: colour(arm.index) } }),
        arm.id,
      ),
    ),
  );
}

function policyCard(data) {
  const title = `Policy, version ${data.summary.policy_version}`;
  return h(
    "section",
    { class: "card", "aria-label": "Policy" },
    h("details", {}, h("summary", { text: title }), h("pre", { text: JSON.stringify(data.policy, null, 2) })),
  );
}
