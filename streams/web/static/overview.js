// All routes of this worker: searched, sorted and cut into pages by the worker itself.
import { card, empty, fill, h } from "./dom.js";
import { whenIdle } from "./drawing.js";
import { preload } from "./charts.js";
import { count, counted, duration, money, percent, rate, unit } from "./format.js";
import { incidentList, routeUrl } from "./incidents.js";
import { table } from "./table.js";
import { at } from "./times.js";
import { elsewhere, workerStrip } from "./worker_strip.js";

const SEARCH_AFTER_MS = 180;

const COLUMNS = [
  { title: "Route", sort: "name", name: true, cell: routeCell },
  { title: "Decisions", sort: "traffic", number: true, cell: ({ line }) => rate(line.per_minute / 60), hint: "per second, of late" },
  { title: "Reward", sort: "reward", number: true, cell: ({ line }) => unit(line.reward), hint: "mean, 0 to 1" },
  { title: "Rewarded", number: true, cell: ({ line }) => percent(line.decided ? Math.min(1, line.rewards / line.decided) : null), hint: "share of decisions that have got a reward so far" },
  { title: "Cost", sort: "cost", number: true, cell: ({ line }) => money(line.cost_usd), hint: "USD per request, mean" },
  { title: "Latency", number: true, cell: ({ line }) => duration(line.p95), hint: "95th percentile, of late; of routes with a history" },
  { title: "Latest", sort: "latest", number: true, cell: ({ line }) => (line.latest ? at(line.latest) : "–"), hint: "last decision or reward" },
  { title: "Alerts", number: true, cell: alertsCell, hint: "open incidents" },
];
const SORTED = COLUMNS.filter((column) => column.sort);

function routeCell({ line }) {
  return h(
    "span",
    {},
    h("a", { href: routeUrl(line.route), "data-key": `route-${line.route}`, text: line.route }),
    h("span", { class: "sub", text: `${counted(line.decided, "decision")} · partition ${line.partition}` }),
  );
}

function alertsCell(row) {
  if (!row.open) return h("span", { class: "muted", text: "none" });
  return h("span", { class: `tag ${row.severity}`, text: `${row.open} ${row.severity}` });
}

export function overviewView(root, params, follow) {
  const asked = {
    q: params.get("q") ?? "",
    sort: params.get("sort") ?? "traffic",
    page: Number(params.get("page") ?? 0) || 0,
  };
  const strip = h("div", { class: "stack" });
  const list = h("div", {});
  const pager = h("div", {});
  const alerts = h("div", {});
  const matches = h("span", { class: "muted small", role: "status" });
  let timer = null;

  const address = () => {
    const query = new URLSearchParams();
    if (asked.q) query.set("q", asked.q);
    query.set("sort", asked.sort);
    if (asked.page) query.set("page", String(asked.page));
    return query.toString();
  };
  const ask = () => {
    // The address keeps the search, so that it can be bookmarked; no new history entry per letter.
    window.history.replaceState(null, "", `#/?${address()}`);
    follow(`api/overview?${address()}`);
  };
  const search = h("input", {
    type: "search",
    id: "search",
    placeholder: "Search routes",
    "aria-label": "Search routes",
    autocomplete: "off",
    spellcheck: "false",
    value: asked.q,
    on: {
      input: () => {
        window.clearTimeout(timer);
        timer = window.setTimeout(() => {
          asked.q = search.value;
          asked.page = 0;
          ask();
        }, SEARCH_AFTER_MS);
      },
    },
  });
  const sortBy = (key) => {
    asked.sort = key;
    asked.page = 0;
    ask();
  };
  const phoneSort = h(
    "select",
    { on: { change: () => sortBy(phoneSort.value) } },
    SORTED.map((column) => h("option", { value: column.sort, selected: column.sort === asked.sort, text: column.title })),
  );
  const turn = (by) => {
    asked.page += by;
    ask();
  };

  root.append(
    h("h1", { class: "skip", text: "Routes" }),
    strip,
    h(
      "div",
      { class: "side" },
      card(
        "Routes",
        h(
          "div",
          {},
          h("div", { class: "controls" }, search, h("label", { class: "phone" }, "Sort by", phoneSort), matches),
          list,
          pager,
        ),
      ),
      card("Recent alerts", alerts, h("a", { class: "small", href: "#/alerts", text: "All alerts" })),
    ),
  );

  let ready = false;
  const render = (data) => {
    if (data.charts && !ready) whenIdle(preload); // a route is likely looked at next
    ready = true;
    fill(strip, workerStrip(data.worker), elsewhere(data.worker));
    matches.textContent = asked.q ? `${count(data.matching)} of ${count(data.total)}` : "";
    asked.page = data.page;
    const sorting = { key: asked.sort, descending: asked.sort !== "name", change: sortBy };
    fill(list, data.routes.length ? table("Routes", COLUMNS, data.routes, sorting) : nothing(data, asked.q));
    fill(pager, pages(data, turn));
    fill(alerts, data.incidents.length ? incidentList(data.incidents, { brief: true }) : empty("No alerts", "Drifts, anomalies and breached limits of this worker's routes appear here."));
  };
  return { url: `api/overview?${address()}`, under: "overview", render, leave: () => window.clearTimeout(timer) };
}

function pages(data, turn) {
  const last = Math.max(0, Math.ceil(data.matching / data.size) - 1);
  if (last === 0) return [];
  const from = data.page * data.size + 1;
  const to = Math.min(data.matching, from + data.size - 1);
  const button = (text, by, disabled) =>
    h("button", { type: "button", "data-key": `page-${by}`, disabled, text, on: { click: () => turn(by) } });
  return [
    h(
      "div",
      { class: "pager" },
      h("span", { class: "muted grow", text: `${count(from)}–${count(to)} of ${count(data.matching)}` }),
      button("Previous", -1, data.page === 0),
      button("Next", 1, data.page >= last),
    ),
  ];
}

const FIRST_POLICY = `# policy.yaml
route: acme/chat
version: 1
arms:
  - {id: small, model: openai/gpt-5-mini}
  - {id: large, model: openai/gpt-5}
objective: {preset: balanced}`;

function nothing(data, query) {
  if (query && data.total) return empty("No route matches", `None of ${counted(data.total, "route")} has “${query}” in its name.`);
  if (data.worker.phase !== "ready") {
    return empty("Not ready yet", "The worker reads its state from the changelog first; routes appear when it owns partitions.");
  }
  return empty(
    "No routes yet",
    "A route appears with its first policy or request. Save a policy, and publish it:",
    h("pre", { text: `${FIRST_POLICY}\n\n# then\nthalweg policy publish policy.yaml --brokers ${data.worker.brokers}` }),
  );
}
