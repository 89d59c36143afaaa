// Incidents as rows of a list: what happened, to whom, how much, what was done.
import { h } from "./dom.js";
import { count, duration, money, number, percent } from "./format.js";
import { at } from "./times.js";

const ACTIONS = {
  alert: null,
  restart_arm: "arm restarted",
  discount_arm: "arm's evidence discounted",
  explore_arm: "arm explored again",
  set_aside: "arm set aside",
  reinstated: "arm reinstated",
  adopted: "winner adopted",
  stopped: "stopped",
  advanced: "next step",
  rolled_back: "rolled back",
  completed: "completed",
};

const SHARES = new Set(["error_rate", "join_rate", "exploration_rate", "arm_share", "success", "mix"]);

/** A value of a metric with its unit. */
export function level(metric, value) {
  if (metric === "cost") return money(value);
  if (metric.startsWith("latency")) return duration(value);
  if (SHARES.has(metric)) return percent(value);
  return number(value);
}

export const severityTag = (severity) => h("span", { class: `tag ${severity}`, text: severity });

/** The address of a route's page. */
export function routeUrl(route, { segment = "", span = "15m" } = {}) {
  const query = new URLSearchParams();
  if (segment) query.set("segment", segment);
  if (span !== "15m") query.set("span", span);
  const text = query.toString();
  return `#/route/${encodeURIComponent(route)}${text ? `?${text}` : ""}`;
}

/** Whether it is open, and since when; a notice is over as it is told. */
function phase(incident) {
  if (incident.event === "notice") return h("span", {}, at(incident.opened));
  if (incident.resolved !== null) {
    const lasted = duration(incident.resolved - incident.opened);
    return h("span", {}, "resolved ", at(incident.resolved), ` after ${lasted}`);
  }
  return h("span", {}, "open since ", at(incident.opened));
}

function change(incident) {
  const { before, after, metric } = incident;
  if (!before && !after) return null;
  const part = (side) => `${level(metric, side.mean)} (n ${count(side.n)})`;
  const text = before && after ? `${part(before)} → ${part(after)}` : part(before ?? after);
  return h("span", { text });
}

function facts(incident, brief) {
  const found = [
    brief ? null : change(incident),
    incident.detections > 1 ? `${count(incident.detections)} detections` : null,
    ACTIONS[incident.action] ?? null,
    phase(incident),
  ].filter((one) => one !== null);
  return found.flatMap((one, index) => (index ? [" · ", one] : [one]));
}

function about(incident, withRoute) {
  const arm = [incident.arm, incident.segment && `segment ${incident.segment}`, incident.of]
    .filter(Boolean)
    .join(" · ");
  if (!withRoute) return arm ? h("strong", { text: arm }) : null;
  return h(
    "span",
    {},
    h("a", { href: routeUrl(incident.route, { segment: incident.segment }), "data-key": `inc-${incident.id}`, text: incident.route }),
    arm ? h("span", { class: "muted", text: ` · ${arm}` }) : null,
  );
}

/** One incident. */
function incidentItem(incident, withRoute, brief) {
  return h(
    "li",
    { class: incident.resolved !== null ? "over" : null, "data-incident": incident.id },
    h(
      "div",
      { class: "head" },
      severityTag(incident.severity),
      h("span", { class: "tag plain", text: incident.type }),
      about(incident, withRoute),
    ),
    h("div", { text: incident.message }),
    h("div", { class: "muted small" }, facts(incident, brief)),
  );
}

/** All of them; `brief` leaves out what their messages tell too. */
export function incidentList(incidents, { withRoute = true, brief = false } = {}) {
  return h("ul", { class: "alerts" }, incidents.map((one) => incidentItem(one, withRoute, brief)));
}
