// One colour and line style per arm, by its place in the policy, the same in every chart and table.
// The colours are Okabe and Ito's, which readers of all kinds of colour vision tell apart; each has
// a twin for dark grounds. Beyond eight arms the line style tells them apart.

const LIGHT = ["#0072b2", "#d98200", "#009e73", "#b8558f", "#3fa0d8", "#d55e00", "#6b5bb5", "#7a7a7a"];
const DARK = ["#4ba3e3", "#f0a62e", "#2cc296", "#e08fbd", "#8fd0f7", "#ff8a4c", "#a99cf0", "#a8a8a8"];
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash", "longdashdot"];
const SYMBOLS = ["circle", "diamond", "square", "triangle-up", "cross", "x", "star", "hexagon"];

export const isDark = () => document.documentElement.dataset.theme === "dark";

export function colour(index) {
  const colours = isDark() ? DARK : LIGHT;
  return colours[index % colours.length];
}

export function dash(index) {
  return DASHES[Math.floor(index / LIGHT.length) % DASHES.length];
}

export function symbol(index) {
  return SYMBOLS[index % SYMBOLS.length];
}

/** The colour with an opacity, for bands and areas. */
export function faint(index, opacity) {
  const value = colour(index);
  const [red, green, blue] = [1, 3, 5].map((from) => parseInt(value.slice(from, from + 2), 16));
  return `rgba(${red}, ${green}, ${blue}, ${opacity})`;
}

/** A value of the stylesheet, e.g. token("--ink"). */
export function token(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(name).trim();
}
