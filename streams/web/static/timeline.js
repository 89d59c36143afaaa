// Curves over time, one per arm, with what was detected marked on them.
import { plain } from "./charts.js";
import { utc } from "./format.js";
import { colour, dash, token } from "./palette.js";

// What is over is told by a hollow symbol.
const MARKS = { critical: "triangle-down", warning: "diamond", info: "circle" };
const TINTS = { critical: "--bad", warning: "--warn", info: "--info" };

/** Plotly shows numbers as UTC; shifted by the zone they read as local time. */
export const local = (ms) => ms - new Date(ms).getTimezoneOffset() * 60_000;

/** The time axis of all charts of a route. */
export function timeAxis({ at, step_ms: step }) {
  const last = local(at[at.length - 1]);
  // A little room beside the newest values, for marks on them.
  const room = Math.max(step / 2, (last - local(at[0])) * 0.02);
  const range = at.length > 1 ? [local(at[0]), last + room] : undefined;
  return {
    type: "date",
    range,
    hoverformat: "%H:%M:%S",
    tickformatstops: [
      { dtickrange: [null, 60_000], value: "%H:%M:%S" },
      { dtickrange: [60_000, 86_400_000], value: "%H:%M" },
      { dtickrange: [86_400_000, null], value: "%e %b" },
    ],
    nticks: 6,
    title: { text: "local time", font: { size: 11, color: token("--ink-2") }, standoff: 4 },
  };
}

/** A value axis with its unit. */
export function valueAxis(unit, more = {}) {
  return { title: { text: unit, font: { size: 11, color: token("--ink-2") }, standoff: 6 }, ...more };
}

const FAR_APART = 20;

/** The same for amounts, on a logarithmic scale where some are many times others. */
export function amountAxis(unit, values, more = {}) {
  const known = values.filter((value) => value !== null);
  const [least, most] = [Math.min(...known), Math.max(...known)];
  if (!(least > 0 && most / least > FAR_APART)) return valueAxis(unit, { rangemode: "tozero", ...more });
  const dtick = most / least < 1000 ? "D2" : 1;
  return valueAxis(`${unit}, log scale`, { ...more, type: "log", dtick, tickprefix: "" });
}

/** A curve of an arm. */
export function curve(at, values, arm, { name, template, style = {} }) {
  return {
    type: "scatter",
    mode: lonely(values) ? "lines+markers" : "lines",
    x: at.map(local),
    y: values,
    name: plain(name ?? arm.id),
    line: { color: colour(arm.index), width: 2, dash: dash(arm.index), ...style },
    marker: { color: colour(arm.index), size: 5 },
    connectgaps: false,
    hovertemplate: `${template}<extra>${plain(name ?? arm.id)}</extra>`,
  };
}

/** Points between gaps would be invisible as lines. */
function lonely(values) {
  return values.some(
    (value, at) => value !== null && (values[at - 1] ?? null) === null && (values[at + 1] ?? null) === null,
  );
}

/** An invisible row of the hover box that tells the time in UTC. */
export function utcRow(at, series) {
  return {
    type: "scatter",
    mode: "markers",
    x: at.map(local),
    y: at.map((_, index) => series.map((values) => values[index]).find((value) => value !== null) ?? null),
    customdata: at.map((ms) => utc(ms).slice(11)),
    marker: { color: "rgba(0, 0, 0, 0)" },
    hovertemplate: "%{customdata}<extra></extra>",
    showlegend: false,
  };
}

/** The value of a curve nearest to a moment; null without any. */
function nearest(at, values, moment) {
  let best = null;
  let distance = Infinity;
  values.forEach((value, index) => {
    const away = Math.abs(at[index] - moment);
    if (value !== null && away < distance) [best, distance] = [value, away];
  });
  return best;
}

function wrap(text, width = 60) {
  const lines = [""];
  for (const word of text.split(" ")) {
    const last = lines.length - 1;
    if (lines[last] && lines[last].length + word.length > width) lines.push(word);
    else lines[last] += (lines[last] ? " " : "") + word;
  }
  return lines.map(plain).join("<br>");
}

/**
 * Marks on curves: a trace of symbols and dashed lines. `curves`: values by arm id. Marks without
 * an arm stand on the first curve.
 */
export function marked(at, marks, curves) {
  const first = curves.values().next().value ?? [];
  const points = marks
    .filter((mark) => at.length && mark.at >= at[0])
    .map((mark) => {
      const moment = Math.min(mark.at, at[at.length - 1]);
      return { mark, moment, y: nearest(at, curves.get(mark.arm) ?? first, moment) };
    })
    .filter((point) => point.y !== null);
  const trace = {
    type: "scatter",
    mode: "markers",
    x: points.map((point) => local(point.moment)),
    y: points.map((point) => point.y),
    text: points.map(({ mark }) => wrap(`${mark.event === "resolved" ? "resolved" : mark.severity} ${mark.type}: ${mark.message}`)),
    marker: {
      symbol: points.map(({ mark }) => MARKS[mark.severity] + (mark.event === "resolved" ? "-open" : "")),
      size: 13,
      color: points.map(({ mark }) => token(TINTS[mark.severity])),
      line: { color: token("--card"), width: 1.5 },
    },
    hovertemplate: "%{text}<extra></extra>",
    showlegend: false,
    cliponaxis: false,
  };
  const shapes = points.map(({ mark, moment }) => ({
    type: "line",
    xref: "x",
    yref: "paper",
    x0: local(moment),
    x1: local(moment),
    y0: 0,
    y1: 1,
    line: { color: token(TINTS[mark.severity]), width: 1, dash: "dot" },
  }));
  return { trace, shapes, count: points.length };
}
