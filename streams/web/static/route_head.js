// The top of a route's view: its name, what is shown of it, and its figures.
import { totalsOf } from "./arms.js";
import { empty, figures, h } from "./dom.js";
import { count, counted, duration, money, percent, rate, unit } from "./format.js";
import { routeUrl } from "./incidents.js";

const SPANS = [["15m", "15 minutes"], ["1h", "1 hour"], ["6h", "6 hours"]];

/** `ask(name, value)` changes what is shown: segment or span. */
export function head(data, asked, ask) {
  const { summary } = data;
  const segments = [...new Set((summary?.segments ?? []).map((one) => one.segment))].filter(Boolean);
  const choose = (name, label, options) => {
    const select = h(
      "select",
      { "data-key": name, on: { change: () => ask(name, select.value) } },
      options.map(([value, text]) => h("option", { value, text, selected: value === asked[name] })),
    );
    return h("label", { class: "muted" }, `${label} `, select);
  };
  const here = data.whereabouts === "here";
  return h(
    "div",
    { class: "title" },
    h("a", { href: "#/", text: "Routes" }),
    h("span", { class: "muted", "aria-hidden": "true", text: "/" }),
    h("h1", { text: data.route }),
    h("span", { class: "muted", text: about(data) }),
    data.open ? h("span", { class: `tag ${data.severity}`, text: counted(data.open, "open alert") }) : null,
    h("span", { class: "grow" }),
    here && segments.length
      ? choose("segment", "Segment", segments.map((one) => [one, one]))
      : null,
    here ? choose("span", "Last", SPANS) : null,
  );
}

function about({ summary, partition }) {
  if (!summary) return `partition ${partition}`;
  const version = summary.policy_version;
  const policy = summary.status === "withdrawn" ? "policy withdrawn" : version ? `policy ${version}` : "default policy";
  return [policy, summary.algorithm, `partition ${partition}`].filter(Boolean).join(" · ");
}

/** The card of figures. */
export function counters({ summary, history }) {
  const arms = history?.arms ?? [];
  const mean = (key, weight) => {
    const known = arms.filter((arm) => arm[key] !== null && arm[weight]);
    const total = known.reduce((sum, arm) => sum + arm[weight], 0);
    return total ? known.reduce((sum, arm) => sum + arm[key] * arm[weight], 0) / total : null;
  };
  const main = arms[0] ?? null; // the most decided comes first
  const recent = totalsOf(history).slice(-7, -1);
  const perSecond = recent.length ? (recent.reduce((sum, one) => sum + one, 0) * 1000) / (recent.length * history.step_ms) : null;
  return h(
    "section",
    { class: "card", "aria-label": "Figures" },
    figures([
      ["Decisions", rate(perSecond), summary ? `${count(summary.decided)} in all` : null],
      ["Reward", unit(mean("reward", "rewards")), "mean"],
      ["Rewarded", percent(history?.join_rate ?? joined(summary)), summary ? `${count(summary.joined)} in all` : null],
      ["Exploration", percent(history?.exploration), "of decisions"],
      ["Cost", money(mean("cost_usd", "rewards")), "per request"],
      ["Latency", duration(main?.p95), main ? `p95 of ${main.arm}` : null],
      ...(summary ? [notCounted(summary)] : []),
    ]),
  );
}

const joined = (summary) => (summary?.decided ? summary.joined / summary.decided : null);

const REASONS = [
  ["late", "late"],
  ["duplicates", "repeated"],
  ["contradicting", "contradicting"],
  ["unlearned", "taught nothing"],
];

function notCounted(summary) {
  const found = REASONS.filter(([key]) => summary[key]);
  const total = found.reduce((sum, [key]) => sum + summary[key], 0);
  return ["Rewards not used", count(total), found.map(([key, word]) => `${count(summary[key])} ${word}`).join(", ")];
}

/** What to say where this worker cannot show the route. */
export function notHere(data) {
  if (data.whereabouts === "elsewhere") {
    const link = data.owner ? h("a", { href: `${data.owner}/${routeUrl(data.route)}`, text: data.owner }) : null;
    return h(
      "p",
      { class: "notice" },
      `Partition ${data.partition}, and with it this route, is served by another worker`,
      link ? [": ", link] : ". Which one, the group has not told: look on the other workers' pages.",
    );
  }
  return h(
    "section",
    { class: "card" },
    empty(
      "This worker does not know the route",
      `It owns the route's partition (${data.partition}), but neither a policy nor a request of that name has come. Names are case-sensitive.`,
      h("p", {}, h("a", { href: `#/?q=${encodeURIComponent(data.route)}`, text: "Search for it" })),
    ),
  );
}
