// The five charts of a route.
import { draw, plain } from "./charts.js";
import { counted, moment } from "./format.js";
import { colour, faint, symbol, token } from "./palette.js";
import { amountAxis, curve, local, marked, timeAxis, utcRow, valueAxis } from "./timeline.js";

const ON_REWARD = new Set(["quality", "reward", "success", "error_rate", "regret_rate", "join_rate", "mix", "health", "tokens", "update_rate"]);

const DOLLARS = { tickprefix: "$", tickformat: "~r", exponentformat: "none" };

/** Which chart a mark belongs on. */
function chartOf(metric) {
  if (metric === "cost") return "cost";
  if (metric.startsWith("latency")) return "latency";
  if (ON_REWARD.has(metric)) return "reward";
  return "share";
}

function inWords(title, arms, marks) {
  const names = arms.map((arm) => arm.id).join(", ");
  const told = marks.map((mark) => `${mark.severity} ${mark.type} ${mark.arm} at ${moment(mark.at)}`);
  const about = told.length ? ` ${counted(told.length, "mark")}: ${told.join("; ")}.` : "";
  return `${title} over time of ${names || "no arm"}.${about}`;
}

/** Draw curves with the marks that belong to them. */
function overTime(element, title, key, history, arms, { series, extra = [], y }) {
  const marks = history.marks.filter((mark) => chartOf(mark.metric) === key && shown(mark, arms));
  const curves = new Map(arms.map((arm) => [arm.id, arm.curve[series]]));
  const { trace, shapes, count } = marked(history.at, marks, curves);
  element.dataset.marks = String(count);
  const traces = [...extra, utcRow(history.at, [...curves.values()]), trace];
  return draw(element, inWords(title, arms, marks), traces, {
    x: timeAxis(history),
    y,
    shapes,
    hovermode: "x unified",
  });
}

const shown = (mark, arms) => !mark.arm || arms.some((arm) => arm.id === mark.arm);

export function drawShares(element, history, arms) {
  const areas = arms.map((arm) => ({
    ...curve(history.at, arm.curve.share, arm, { template: "%{y:.1%}", style: { width: 1 } }),
    mode: "lines",
    stackgroup: "arms",
    fillcolor: faint(arm.index, 0.55),
  }));
  return overTime(element, "Share of decisions", "share", history, arms, {
    series: "share",
    extra: areas,
    y: valueAxis("share of decisions", { tickformat: ".0%", range: [0, 1] }),
  });
}

export function drawReward(element, history, arms) {
  const bands = arms.map((arm) => band(history.at, arm));
  const curves = arms.map((arm) =>
    curve(history.at, arm.curve.reward, arm, { template: "%{y:.3f}" }),
  );
  return overTime(element, "Mean reward with interval", "reward", history, arms, {
    series: "reward",
    extra: [...bands.flat(), ...curves],
    y: valueAxis("reward (0 to 1)", { tickformat: ".2~f" }),
  });
}

/** The interval of an arm as two invisible curves with the area between; gaps cut it. */
function band(at, arm) {
  const { low, high } = arm.curve;
  const traces = [];
  let from = 0;
  while (from < at.length) {
    while (from < at.length && low[from] === null) from += 1;
    let to = from;
    while (to < at.length && low[to] !== null) to += 1;
    if (to - from > 1) {
      const x = at.slice(from, to).map(local);
      traces.push({
        type: "scatter",
        mode: "none",
        x: [...x, ...x.toReversed()],
        y: [...high.slice(from, to), ...low.slice(from, to).toReversed()],
        fill: "toself",
        fillcolor: faint(arm.index, 0.14),
        hoverinfo: "skip",
      });
    }
    from = to;
  }
  return traces;
}

export function drawCost(element, history, arms) {
  const curves = arms.map((arm) =>
    curve(history.at, arm.curve.cost_usd, arm, { template: "$%{y:.3~g}" }),
  );
  return overTime(element, "Cost per request", "cost", history, arms, {
    series: "cost_usd",
    extra: curves,
    y: amountAxis("USD per request", arms.flatMap((arm) => arm.curve.cost_usd), DOLLARS),
  });
}

export function drawLatency(element, history, arms) {
  const curves = arms.flatMap((arm) => [
    curve(history.at, arm.curve.p95, arm, { name: `${arm.id} p95`, template: "%{y:,.0f} ms" }),
    curve(history.at, arm.curve.p50, arm, {
      name: `${arm.id} p50`,
      template: "%{y:,.0f} ms",
      style: { width: 1, dash: "dot" },
    }),
  ]);
  return overTime(element, "Latency p50 and p95", "latency", history, arms, {
    series: "p95",
    extra: curves,
    y: amountAxis("latency (ms)", arms.flatMap(({ curve: { p50, p95 } }) => [...p50, ...p95]), {
      tickformat: ",~r",
    }),
  });
}

/** Quality or reward, whichever `by` says, against cost: what no other arm beats is ringed. */
export function drawPareto(element, arms, by) {
  const known = arms.filter(({ now }) => now && now.cost_usd !== null && now[by] !== null);
  const front = known
    .filter((arm) => arm.front)
    .sort((one, other) => one.now.cost_usd - other.now.cost_usd);
  const line = {
    type: "scatter",
    mode: "lines",
    x: front.map(({ now }) => now.cost_usd),
    y: front.map(({ now }) => now[by]),
    line: { color: token("--ink-2"), width: 1.5, dash: "dot" },
    hoverinfo: "skip",
  };
  const label = `${by === "quality" ? "Quality" : "Reward"} against cost. On the front: ${front.map((arm) => arm.id).join(", ") || "no arm yet"}.`;
  return draw(element, label, [line, ...known.map((arm) => point(arm, by))], {
    x: roomy(
      amountAxis("USD per request (left is better)", known.map(({ now }) => now.cost_usd), DOLLARS),
      known.map(({ now }) => now.cost_usd),
    ),
    y: valueAxis(`mean ${by} (up is better)`, {
      tickformat: ".2~f",
      range: room(known.flatMap(({ now }) => ends(now, by))),
    }),
    hovermode: "closest",
  });
}

/** The ends of its interval; quality has none. */
function ends(now, by) {
  return by === "reward" && now.low !== null ? [now.low, now.high] : [now[by], now[by]];
}

function point({ id, index, front, now }, by) {
  const verdict = front ? "no other arm is better in both" : "another arm is better";
  return {
    type: "scatter",
    mode: "markers+text",
    x: [now.cost_usd],
    y: [now[by]],
    error_y: {
      visible: by === "reward" && now.low !== null,
      symmetric: false,
      array: [ends(now, by)[1] - now[by]],
      arrayminus: [now[by] - ends(now, by)[0]],
      color: faint(index, 0.6),
      thickness: 1.5,
      width: 4,
    },
    text: [plain(id)],
    textposition: front ? "top center" : "bottom center",
    textfont: { size: 12, color: token("--ink") },
    marker: {
      size: front ? 14 : 9,
      symbol: symbol(index),
      color: front ? colour(index) : faint(index, 0.5),
      line: { color: token("--ink"), width: front ? 1.5 : 0 },
    },
    cliponaxis: false,
    hovertemplate: `${plain(id)}<br>${by} %{y:.3f}<br>$%{x:.3~g} per request<br>${verdict}<extra></extra>`,
  };
}

/** An axis with room around its values, which a logarithmic one measures in powers of ten. */
function roomy(scale, values) {
  return { ...scale, rangemode: "normal", range: room(scale.type === "log" ? values.map(Math.log10) : values) };
}

/** A range with room around values; undefined without any. */
function room(values) {
  if (!values.length) return undefined;
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const margin = (high - low || Math.abs(high) || 1) * 0.25;
  return [low - margin, high + margin];
}
