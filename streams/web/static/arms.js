// A route's arms: what the policy says of each, what is believed of it, what it did lately.

/** Arms in the policy's order, then those that served but are not in it (any more). */
export function armsOf(data, segmentName) {
  const declared = data.summary?.arms ?? [];
  const history = data.history;
  const now = new Map((history?.arms ?? []).map((arm) => [arm.arm, arm]));
  const curves = new Map((history?.curves ?? []).map((arm) => [arm.arm, arm]));
  const segment = segmentOf(data.summary, segmentName);
  const beliefs = new Map((segment?.arms ?? []).map((arm) => [arm.arm, arm]));
  const front = new Set(data.front);
  const strangers = [...now.keys()].filter((id) => !declared.some((arm) => arm.arm === id)).sort();
  const all = [...declared, ...strangers.map((arm) => ({ arm, model: null, enabled: null }))];
  const totals = totalsOf(history);
  return all.map(({ arm: id, model, enabled }, index) => ({
    id,
    index,
    model,
    enabled,
    now: now.get(id) ?? null,
    believed: beliefs.get(id) ?? null,
    front: front.has(id),
    curve: withShare(curves.get(id), totals),
  }));
}

/** The named segment's statistics under the policy itself; those of a trial's variants are others. */
export function segmentOf(summary, name) {
  const own = (summary?.segments ?? []).filter((segment) => !segment.variant);
  return own.find((segment) => segment.segment === name) ?? (name ? null : own[0] ?? null);
}

/**
 * A history without the empty time before its first decision or reward, so that a young route's
 * curves fill the chart. At least two buckets are left.
 */
export function begun(history) {
  const busy = (at) => history.curves.some((curve) => curve.decided[at] || curve.rewards[at]);
  const first = history.at.findIndex((_, at) => busy(at));
  const from = Math.min(Math.max(0, first - 1), Math.max(0, history.at.length - 2));
  if (from === 0) return history;
  const curves = history.curves.map((curve) =>
    Object.fromEntries(
      Object.entries(curve).map(([name, values]) => [name, Array.isArray(values) ? values.slice(from) : values]),
    ),
  );
  return { ...history, at: history.at.slice(from), curves };
}

/** Decisions of all arms, by bucket. */
export function totalsOf(history) {
  const curves = history?.curves ?? [];
  return (history?.at ?? []).map((_, at) => curves.reduce((sum, { decided }) => sum + decided[at], 0));
}

function withShare(curve, totals) {
  if (!curve) return null;
  const share = curve.decided.map((count, at) => (totals[at] ? count / totals[at] : null));
  return { ...curve, share };
}
