// Moments as elements: local time to read, UTC on hover.
import { h } from "./dom.js";
import { moment, utc } from "./format.js";

export function at(ms) {
  return h("time", { datetime: new Date(ms).toISOString(), title: utc(ms), text: moment(ms) });
}
