// Numbers and times as people read them. null means "not known" and is shown as a dash.

const NONE = "–";
const whole = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

const known = (value) => typeof value === "number" && Number.isFinite(value);

/** A count, with thousands separators. */
export const count = (value) => (known(value) ? whole.format(value) : NONE);

/** A number with about three significant digits. */
export function number(value) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size >= 1000) return whole.format(value);
  if (size === 0) return "0";
  if (size < 0.001) return value.toExponential(1);
  return String(Number(value.toPrecision(3)));
}

/** A mean in [0, 1], always with three decimals, so that columns line up. */
export const unit = (value) => (known(value) ? value.toFixed(3) : NONE);

/** A share as per cent. */
export function percent(value) {
  if (!known(value)) return NONE;
  const hundredths = value * 100;
  if (hundredths > 0 && hundredths < 0.1) return "<0.1 %";
  return `${Number(hundredths.toFixed(hundredths < 10 ? 1 : 0))} %`;
}

/** USD of one request. Small amounts keep three significant digits. */
export function money(value) {
  if (!known(value)) return NONE;
  const size = Math.abs(value);
  if (size === 0) return "$0";
  if (size >= 1) return `$${value.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 })}`;
  const digits = Math.min(9, 2 - Math.floor(Math.log10(size)));
  return `$${value.toFixed(digits)}`;
}

/** Milliseconds, as ms, s or min. */
export function duration(ms) {
  if (!known(ms)) return NONE;
  if (ms === 0) return "0 ms";
  if (ms < 1) return `${ms.toFixed(2)} ms`;
  if (ms < 10) return `${ms.toFixed(1)} ms`;
  if (ms < 1000) return `${ms.toFixed(0)} ms`;
  if (ms < 10_000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60_000) return `${(ms / 1000).toFixed(1)} s`;
  if (ms < 3_600_000) return `${(ms / 60_000).toFixed(1)} min`;
  if (ms < 172_800_000) return `${(ms / 3_600_000).toFixed(1)} h`;
  return `${(ms / 86_400_000).toFixed(1)} d`;
}

/** Bytes in binary units. */
export function bytes(value) {
  if (!known(value)) return NONE;
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (value >= 1024 && at < names.length - 1) {
    value /= 1024;
    at += 1;
  }
  return `${number(value)} ${names[at]}`;
}

/** So much a second. */
export const rate = (value) => (known(value) ? `${value < 0.0005 ? "0" : number(value)}/s` : NONE);

const sameDay = (one, other) => one.toDateString() === other.toDateString();

/** A moment in local time; days other than today are named. */
export function moment(ms) {
  if (!known(ms)) return NONE;
  const date = new Date(ms);
  const time = date.toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23" });
  if (sameDay(date, new Date())) return time;
  return `${date.toLocaleDateString([], { day: "numeric", month: "short" })}, ${time}`;
}

/** The same moment in UTC, for tooltips. */
export const utc = (ms) => (known(ms) ? new Date(ms).toISOString().replace("T", " ").replace(/\.\d+Z/, " UTC") : "");

/** Plural of a counted word. */
export const counted = (value, one, many = `${one}s`) => `${count(value)} ${value === 1 ? one : many}`;
