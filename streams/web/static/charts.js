// Plotly, loaded before it is needed or with the first chart, and how all charts look.
import { h } from "./dom.js";
import { token } from "./palette.js";

const CONFIG = { displaylogo: false, displayModeBar: false, responsive: true };
const UNDRAWN = new WeakSet();
let loading = null;

function plotly() {
  loading ??= new Promise((resolve, reject) => {
    const script = h("script", { src: "plotly.min.js" });
    script.addEventListener("load", () => resolve(window.Plotly));
    script.addEventListener("error", () => {
      loading = null; // the next chart tries again
      reject(new Error("the charts' library did not load"));
    });
    document.head.append(script);
  });
  return loading;
}

/** Have the library at hand before the first chart. */
export const preload = () => plotly().catch(() => null);

/** Whether the chart was ever drawn. */
export const isDrawn = (element) => !UNDRAWN.has(element);

/** Text for Plotly, which reads some HTML in labels: names come from strangers. */
export const plain = (text) =>
  text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");

/** Where a chart will be drawn. */
export function place() {
  const element = h("div", { class: "plot", role: "img" });
  UNDRAWN.add(element);
  return element;
}

const axis = () => ({
  color: token("--ink-2"),
  gridcolor: token("--line"),
  zerolinecolor: token("--line-strong"),
  linecolor: token("--line-strong"),
  automargin: true,
  fixedrange: false,
});

function base() {
  const touch = window.matchMedia("(pointer: coarse)").matches;
  return {
    autosize: true,
    height: 250,
    margin: { l: 8, r: 12, t: 8, b: 8 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: token("--sans"), size: 12, color: token("--ink") },
    hoverlabel: {
      bgcolor: token("--card"),
      bordercolor: token("--line-strong"),
      font: { color: token("--ink"), family: token("--sans"), size: 12 },
      align: "left",
    },
    showlegend: false,
    uirevision: "kept", // a reader's zoom outlives updates
    dragmode: touch ? false : "zoom",
  };
}

/**
 * Draw or update a chart. `label` says in words what there is to see. `x` and `y` are axes as
 * Plotly takes them; `more` is the rest of a layout.
 */
export async function draw(element, label, traces, { x, y, ...more }) {
  element.setAttribute("aria-label", label);
  let Plotly;
  try {
    Plotly = await plotly();
  } catch (error) {
    if (element.isConnected) element.textContent = `${error.message}.`;
    return;
  }
  if (!element.isConnected) return; // the reader has gone on to another view
  const layout = { ...base(), xaxis: { ...axis(), ...x }, yaxis: { ...axis(), ...y }, ...more };
  await Plotly.react(element, traces, layout, CONFIG);
  UNDRAWN.delete(element);
  element.dataset.drawn = "true";
}

/** Free what Plotly holds for a chart that goes away. */
export function discard(element) {
  if (!UNDRAWN.has(element)) window.Plotly?.purge(element);
}

/** What stands in the charts' place where the library is not installed. */
export function withoutCharts() {
  return h(
    "p",
    { class: "notice" },
    "Charts need the plotly package, which this worker does not have. Install it with ",
    h("code", { class: "mono", text: "pip install 'thalweg[page]'" }),
    " and restart the worker. The tables below have the same figures.",
  );
}
