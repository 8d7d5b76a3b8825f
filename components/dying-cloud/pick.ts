/** Which features lie under a pointer or inside a brush: pure functions of what projectAll gives. */

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The nearest feature within `reach` CSS pixels, of equally near ones that before the others; null where there is none. */
export function pickAt(seen: Float32Array, x: number, y: number, reach: number): number | null {
  let best: number | null = null;
  let least = reach * reach;
  let depth = Infinity;
  for (let at = 0; at < seen.length; at += 3) {
    const dx = seen[at]! - x;
    const dy = seen[at + 1]! - y;
    const away = dx * dx + dy * dy;
    // Marks of a pixel's distance are one over the other: the front one is meant.
    if (!(away <= least + (best === null ? 0 : 1))) continue;
    const w = seen[at + 2]!;
    if (best !== null && away > least - 1 && w >= depth) continue;
    best = at / 3;
    least = Math.min(least, away);
    depth = w;
  }
  return best;
}

/** Features whose middle lies inside a rectangle, its edges included; ascending. */
export function withinRectangle(seen: Float32Array, a: Point, b: Point): number[] {
  const [left, right, top, bottom] = [Math.min(a.x, b.x), Math.max(a.x, b.x), Math.min(a.y, b.y), Math.max(a.y, b.y)];
  const inside: number[] = [];
  for (let at = 0; at < seen.length; at += 3) {
    const [x, y] = [seen[at]!, seen[at + 1]!];
    if (x >= left && x <= right && y >= top && y <= bottom) inside.push(at / 3);
  }
  return inside;
}

/** Features whose middle lies inside a polygon by the even-odd rule; ascending. */
export function withinPolygon(seen: Float32Array, polygon: readonly Point[]): number[] {
  const inside: number[] = [];
  for (let at = 0; at < seen.length; at += 3) {
    const [x, y] = [seen[at]!, seen[at + 1]!];
    if (Number.isNaN(x)) continue;
    let odd = false;
    for (let i = 0, j = polygon.length - 1; i < polygon.length; j = i++) {
      const [a, b] = [polygon[i]!, polygon[j]!];
      if (a.y > y !== b.y > y && x < a.x + ((b.x - a.x) * (y - a.y)) / (b.y - a.y)) odd = !odd;
    }
    if (odd) inside.push(at / 3);
  }
  return inside;
}
