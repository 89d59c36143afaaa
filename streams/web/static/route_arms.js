// The arms of a route as a table.
import { card, empty, h, state } from "./dom.js";
import { count, duration, money, percent, unit } from "./format.js";
import { colour } from "./palette.js";
import { table } from "./table.js";

const LATELY = "over the last 15 minutes";

const COLUMNS = [
  { title: "Arm", name: true, cell: nameCell },
  { title: "Belief", number: true, cell: believedCell, hint: "the mean reward that the algorithm believes in, with its 95 % interval" },
  { title: "n", number: true, cell: (arm) => count(arm.believed?.belief.rewards ?? null), hint: "rewards behind the belief, after forgetting" },
  { title: "Best", number: true, cell: (arm) => percent(arm.believed?.best ?? null), hint: "probability that no other arm has a higher mean reward" },
  { title: "Share", number: true, cell: shareCell, hint: `of decisions, ${LATELY}` },
  { title: "Reward", number: true, cell: rewardCell, hint: `mean, ${LATELY}` },
  { title: "Cost", number: true, cell: (arm) => money(arm.now?.cost_usd ?? null), hint: `USD per request, mean, ${LATELY}` },
  { title: "p50", number: true, cell: (arm) => duration(arm.now?.p50 ?? null), hint: `median latency, ${LATELY}` },
  { title: "p95", number: true, cell: (arm) => duration(arm.now?.p95 ?? null), hint: `95th percentile of latency, ${LATELY}` },
  { title: "Errors", number: true, cell: (arm) => percent(arm.now?.error_rate ?? null), hint: `share of failed calls, ${LATELY}` },
  { title: "Status", wide: true, cell: statusCell },
];

function nameCell(arm) {
  return h(
    "span",
    {},
    h("span", { class: "armname" }, h("span", { class: "swatch", style: { background: colour(arm.index) } }), arm.id),
    arm.model && arm.model !== arm.id ? h("span", { class: "sub", text: arm.model }) : null,
  );
}

function withInterval(mean, low, high) {
  const known = typeof low === "number" && typeof high === "number";
  return h("span", {}, unit(mean), known ? h("span", { class: "sub", text: `${unit(low)}–${unit(high)}` }) : null);
}

function believedCell(arm) {
  const belief = arm.believed?.belief ?? {};
  return withInterval(belief.mean, belief.low, belief.high);
}

function rewardCell({ now }) {
  return withInterval(now?.reward, now?.low, now?.high);
}

function shareCell(arm) {
  const share = arm.now?.share ?? 0;
  return h(
    "span",
    {},
    percent(share),
    h("span", { class: "bar thin", "aria-hidden": "true" }, h("i", { style: { width: `${share * 100}%`, background: colour(arm.index) } })),
  );
}

function statusCell(arm) {
  if (arm.enabled === null) return state("idle", "not in the policy");
  if (!arm.enabled) return state("idle", "disabled");
  const complaint = arm.believed?.guardrail;
  if (complaint) return h("span", {}, state("warn", "guardrail"), h("span", { class: "sub", text: complaint }));
  return state("good", "eligible");
}

/** A card with the table. */
export function armsTable(arms, aside) {
  if (!arms.length) return card("Arms", empty("No arms yet", "They come with the route's policy, or with requests that name candidates."));
  return card("Arms", table("Arms", COLUMNS, arms), aside);
}
