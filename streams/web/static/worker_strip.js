// How the worker is, in one line of figures.
import { figures, h, state } from "./dom.js";
import { count, counted, duration, rate } from "./format.js";

/** The phase it is in. */
export function workerState(worker) {
  const kind = worker.phase === "ready" ? "good" : worker.phase === "failed" ? "bad" : "warn";
  return state(kind, worker.phase);
}

export function workerStrip(worker) {
  const waiting = worker.reason ? h("p", { class: "notice", text: worker.reason }) : null;
  const strip = h(
    "section",
    { class: "card", "aria-label": "The worker" },
    figures([
      ["Worker", workerState(worker)],
      ["Partitions", `${count(worker.owned.length)} of ${count(worker.partitions)}`],
      ["Routes", count(worker.routes)],
      ["Decisions", rate(worker.per_second)],
      ["Behind", count(worker.lag_records), worker.lag_seconds >= 1 ? `records, ${duration(worker.lag_seconds * 1000)}` : "records"],
      ["Cycle", duration(worker.cycle_ms), "mean"],
    ]),
  );
  return waiting ? [strip, waiting] : [strip];
}

/** Which partitions other workers serve, with links where the group has told their addresses. */
export function elsewhere(worker) {
  if (worker.owned.length >= worker.partitions || worker.phase !== "ready") return null;
  const missing = worker.partitions - worker.owned.length;
  const links = worker.peers.map((peer, index) =>
    h(
      "span",
      {},
      index ? ", " : "",
      h("a", { href: peer.url, text: peer.url }),
      ` (${counted(peer.partitions.length, "partition")})`,
    ),
  );
  return h(
    "p",
    { class: "notice" },
    `Each worker shows its own routes. ${counted(missing, "partition")} of ${worker.partitions} ` +
      `${missing === 1 ? "is" : "are"} elsewhere: `,
    links.length
      ? links
      : "which worker has them, the group has not told. Look at the pages of the other workers.",
  );
}
