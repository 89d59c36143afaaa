// What steers a route besides its algorithm: a trial, a budget, a search.
import { card, figures, h, state } from "./dom.js";
import { count, counted, duration, money, number, percent, unit } from "./format.js";
import { level } from "./incidents.js";
import { segmentOf } from "./arms.js";
import { table } from "./table.js";

/** The panels that this route has. */
export function panels(summary, segment) {
  const search = segmentOf(summary, segment)?.search ?? null;
  const found = [
    summary?.trial ? trialCard(summary.trial) : null,
    summary?.shadow ? shadowCard(summary.shadow) : null,
    summary?.budget ? budgetCard(summary.budget) : null,
    search ? searchCard(search) : null,
  ].filter((one) => one !== null);
  return found.length ? found : [noneCard()];
}

function noneCard() {
  const hint = (term, text) => h("p", { class: "muted" }, h("strong", { text: term }), ` ${text}`);
  return card(
    "Trials, shadow, budget, search",
    h(
      "div",
      {},
      h("p", { text: "This route's policy has none of them." }),
      hint("experiment:", "compares ways to choose on the same traffic"),
      hint("rollout:", "brings a change in stages, and takes it back when it is worse"),
      hint("shadow:", "decides without routing, and tells what it would have earned"),
      hint("budget:", "holds the mean cost of a request"),
      hint("search:", "tunes the parameters of a model"),
    ),
  );
}

const GOOD = new Set(["running", "winner", "done", "advance"]);
const BAD = new Set(["rolled_back", "guardrail", "ratio_mismatch", "stopped"]);

function trialState(status) {
  const kind = GOOD.has(status) ? "good" : BAD.has(status) ? "bad" : "idle";
  return state(kind, status.replaceAll("_", " "));
}

function trialCard(trial) {
  const title = trial.kind === "rollout" ? "Rollout" : "Experiment";
  const columns = [
    {
      title: "Variant",
      name: true,
      cell: (variant) => h("strong", { text: variant.variant }),
    },
    {
      title: "Requests",
      number: true,
      cell: (variant) => {
        const bar = h("i", { style: { width: `${variant.share * 100}%`, background: "var(--accent)" } });
        return h("span", {}, percent(variant.share), h("span", { class: "bar thin", "aria-hidden": "true" }, bar));
      },
    },
    { title: `Mean ${trial.metric}`, number: true, cell: (variant) => (variant.level.n ? level(trial.metric, variant.level.mean) : "–") },
    { title: "Difference", number: true, cell: (variant) => difference(trial.metric, variant.effect, variant.low, variant.high), hint: "from the control, with its interval" },
    { title: "Outcomes", number: true, cell: (variant) => count(variant.level.n) },
  ];
  const step = trial.shares.length ? h("span", { class: "muted small", text: `step ${trial.step + 1} of ${trial.steps}` }) : null;
  return card(
    `${title} ${trial.name}`,
    h("div", {}, h("p", { text: trial.sentence }), trial.shares.length ? staircase(trial) : null, table(title, columns, trial.variants)),
    h("span", { class: "title" }, trialState(trial.status), step),
  );
}

/** A difference with its sign, and its interval below. */
function difference(metric, value, low, high) {
  if (value === null) return "–";
  const signed = (amount) => `${amount < 0 ? "−" : "+"}${level(metric, Math.abs(amount))}`;
  const interval = low === null ? null : h("span", { class: "sub", text: `${signed(low)} to ${signed(high)}` });
  return h("span", {}, signed(value), interval);
}

/** The candidate's shares, step by step; the present one is marked. */
function staircase(trial) {
  const over = trial.status === "rolled_back";
  return h(
    "ol",
    { class: "steps", "aria-label": "Share of the candidate, by step" },
    trial.shares.map((share, index) =>
      h(
        "li",
        {
          class: index < trial.step ? "past" : null,
          "aria-current": !over && index === trial.step ? "step" : null,
          text: percent(share),
        },
      ),
    ),
  );
}

function shadowCard(shadow) {
  const columns = [
    { title: "Metric", name: true, cell: (one) => one.metric },
    { title: "Routed", number: true, cell: (one) => level(one.metric, one.logged) },
    { title: "Shadow", number: true, cell: (one) => level(one.metric, one.shadow) },
    { title: "Difference", number: true, cell: (one) => (one.low === null ? "–" : difference(one.metric, one.shadow - one.logged, one.low, one.high)), hint: "with an interval that may be looked at any time; – while too few outcomes tell" },
    { title: "Worth", number: true, cell: (one) => count(one.effective), hint: "how many outcomes of its own these are worth" },
  ];
  const sentence = `${shadow.sentence[0].toUpperCase()}${shadow.sentence.slice(1)}.`;
  const seen = `${counted(shadow.scored, "outcome")}, ${percent(shadow.support)} of its choices could have been served; told again at ${count(shadow.next_report)}`;
  return card(
    `Shadow ${shadow.name}`,
    h(
      "div",
      {},
      h("p", { text: sentence }),
      shadow.metrics.length ? table("Shadow", columns, shadow.metrics) : null,
      h("p", { class: "muted small spaced", text: seen }),
    ),
    state("idle", "routes nothing"),
  );
}

function budgetCard(budget) {
  const perRequest = budget.period_ms === 0;
  const mean = budget.requests ? budget.spent_usd / budget.requests : null;
  const rows = [
    ["Allowed", money(budget.usd), perRequest ? "per request" : `per ${duration(budget.period_ms)}`],
    ["Spent", money(mean), "per request"],
    ["In all", money(budget.spent_usd), `over ${counted(budget.requests, "request")}`],
    [budget.debt > 0 ? "Owed" : "Saved", count(Math.abs(budget.debt)), "requests' worth"],
    ["Price of money", number(budget.price), "reward per USD"],
    ...(perRequest ? [] : [["A request's worth", money(budget.worth_usd), "by the present traffic"]]),
  ];
  // What was spent is told per request; only a budget of the same kind can be compared with it.
  const used = perRequest && mean !== null ? mean / budget.usd : null;
  const over = budget.debt > 0;
  const status = budget.held ? state(over ? "warn" : "good", over ? "overspent" : "within the budget") : state("bad", "not held");
  const advice = budget.held
    ? null
    : h("p", { class: "spaced", text: "Even the cheapest arm that may be chosen costs more, or answers cost far more than expected: raise the budget, add a cheaper arm, or loosen min_share and other guardrails." });
  return card("Budget", h("div", {}, figures(rows, true), used === null ? null : meter(used), advice), status);
}

function meter(used) {
  const background = used > 1 ? "var(--bad)" : "var(--accent)";
  const label = `${percent(used)} of the budget is spent`;
  return h(
    "div",
    { class: "spaced" },
    h("div", { class: "bar", "aria-hidden": "true" }, h("i", { style: { width: `${Math.min(1, used) * 100}%`, background } })),
    h("span", { class: "muted small", text: label }),
  );
}

function searchCard(search) {
  const best = Object.entries(search.params).map(([name, value]) => [
    name,
    typeof value === "number" ? number(value) : JSON.stringify(value),
  ]);
  const interval = `${unit(search.low)}–${unit(search.high)}, ${counted(search.rewards, "reward")}`;
  return card(
    "Parameter search",
    h(
      "div",
      {},
      figures(
        [
          ["Evaluated", `${count(search.evaluations)} of ${count(search.planned)}`, "sets"],
          ["In play", count(search.in_play), "sets"],
          ["Best so far", unit(search.mean), interval],
        ],
        true,
      ),
      h("h3", { text: "Best parameters so far" }),
      figures(best, true),
      search.ended ? h("p", { class: "muted spaced", text: search.ended }) : null,
    ),
    state(search.ended ? "good" : "idle", search.ended ? "ended" : "searching"),
  );
}
