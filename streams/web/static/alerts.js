// Incidents of this worker's routes, the newest first.
import { card, empty, fill, h } from "./dom.js";
import { counted } from "./format.js";
import { incidentList } from "./incidents.js";

export function alertsView(root, params, follow) {
  const asked = {
    state: params.get("state") ?? "all",
    severity: params.get("severity") ?? "",
    q: params.get("q") ?? "",
  };
  const list = h("div", {});
  const summary = h("span", { class: "muted small", role: "status" });
  const address = () => {
    const query = new URLSearchParams({ state: asked.state });
    if (asked.severity) query.set("severity", asked.severity);
    if (asked.q) query.set("q", asked.q);
    return query.toString();
  };
  const choose = (name, label, options) => {
    const select = h(
      "select",
      { on: { change: () => ask(name, select.value) } },
      options.map(([value, text]) => h("option", { value, text, selected: asked[name] === value })),
    );
    return h("label", {}, label, select);
  };
  const ask = (name, value) => {
    asked[name] = value;
    window.history.replaceState(null, "", `#/alerts?${address()}`);
    follow(`api/alerts?${address()}`);
  };
  const search = h("input", {
    type: "search",
    placeholder: "Search routes",
    "aria-label": "Search routes",
    autocomplete: "off",
    value: asked.q,
    on: { input: () => ask("q", search.value) },
  });
  root.append(
    h("h1", { text: "Alerts" }),
    card(
      "Incidents",
      h(
        "div",
        {},
        h(
          "div",
          { class: "controls" },
          search,
          choose("state", "Show", [["all", "all"], ["open", "open"], ["over", "resolved and notices"]]),
          choose("severity", "Severity", [["", "all"], ["critical", "critical"], ["warning", "warning"], ["info", "info"]]),
        ),
        list,
      ),
      summary,
    ),
  );
  const render = (data) => {
    const more = data.matching > data.incidents.length ? `, the newest ${data.incidents.length} shown` : "";
    summary.textContent = `${counted(data.matching, "incident")}${more}`;
    fill(list, data.incidents.length ? incidentList(data.incidents) : nothing(data));
  };
  return { url: `api/alerts?${address()}`, under: "alerts", title: "Alerts", render };
}

function nothing(data) {
  if (data.total) return empty("Nothing matches", "Choose other states or severities, or clear the search.");
  return empty(
    "No alerts since this worker took its partitions",
    "Every alert is also on the drift topic: thalweg watch alerts prints them. What is watched for, a route's policy says: drift, anomalies, thresholds, join.",
  );
}
