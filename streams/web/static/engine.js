// How this worker's engine does: partitions, cycles, what it could not use.
import { card, empty, figures, fill, h, state } from "./dom.js";
import { bytes, count, duration, number } from "./format.js";
import { table } from "./table.js";
import { elsewhere, workerStrip } from "./worker_strip.js";

const PARTITIONS = [
  { title: "Partition", name: true, cell: (row) => `Partition ${row.number}` },
  { title: "Worker", wide: true, cell: partitionState },
];

const LAGS = [
  { title: "Topic", name: true, cell: ([role]) => role },
  { title: "Records behind", number: true, cell: ([, lag]) => count(lag.records) },
  { title: "Time behind", number: true, cell: ([, lag]) => duration(lag.seconds * 1000) },
];

const REASONS = [
  { title: "Reason", name: true, cell: (row) => row.reason.replaceAll("_", " ") },
  { title: "Records", number: true, cell: (row) => count(row.count) },
];

const since = () => h("span", { class: "muted small", text: "since the worker's start" });

const reasons = (rows, none) => (rows.length ? table("By reason", REASONS, rows) : empty("None", none));

function partitionState(row) {
  if (row.owned) return state("good", "this one");
  if (row.url) return h("a", { href: row.url, text: row.url });
  return state("idle", "another one");
}

export function engineView(root) {
  const strip = h("div", { class: "stack" });
  const cards = h("div", { class: "two" });
  root.append(h("h1", { text: "Engine" }), strip, cards);
  const render = (data) => {
    fill(strip, workerStrip(data.worker), elsewhere(data.worker));
    fill(
      cards,
      card("Cycles", cycles(data.cycles), since()),
      card("State", holdings(data)),
      card("Input", table("Lag by topic", LAGS, Object.entries(data.lag))),
      card("Dead letters", reasons(data.dead_letters, "Every record of this worker's partitions could be used."), since()),
      card("Rejected requests", reasons(data.rejections, "Every request got a decision."), since()),
      card("Partitions", table("Partitions", PARTITIONS, data.partitions)),
    );
  };
  return { url: "api/engine", under: "engine", title: "Engine", render };
}

function cycles(data) {
  return figures([
    ["Cycles", count(data.cycles)],
    ["Applying one", duration(data.apply_ms), "mean"],
    ["Size", number(data.records_per_cycle), "records, mean"],
    ["Changelog ack", duration(data.ack_ms), "mean"],
    ["Publishing", duration(data.publish_ms), "mean"],
    ["Applied", count(data.records), "records"],
    ["Rebalances", count(data.rebalances), data.stale ? `${count(data.stale)} partitions lost unannounced` : null],
  ]);
}

function holdings(data) {
  const left = data.recovery_left ? `, ${count(data.recovery_left)} left` : "";
  return figures([
    ["Keys", count(data.state_keys)],
    ["Size", bytes(data.state_bytes)],
    ["Open decisions", count(data.open_decisions), "awaiting rewards"],
    ["Changelog written", bytes(data.cycles.changelog_bytes), `${count(data.cycles.changelog_records)} records`],
    ["Recovered", count(data.recovered), `records${left}, ${duration(data.cycles.recovery_ms)}`],
    ["Inbox", count(data.inbox_records), "records"],
  ]);
}
