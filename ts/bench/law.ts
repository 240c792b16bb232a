/** A straight line through measured points. */
export interface Law {
  /** `y = base + slope * x`. */
  readonly base: number;
  readonly slope: number;
  /** Largest distance of a point from the line, as a share of the point. */
  readonly worst: number;
}

/** By least squares. */
export function lineThrough(points: readonly (readonly [x: number, y: number])[]): Law {
  const n = points.length;
  const mean = (k: 0 | 1) => points.reduce((sum, point) => sum + point[k], 0) / n;
  const [x, y] = [mean(0), mean(1)];
  const covariance = points.reduce((sum, [px, py]) => sum + (px - x) * (py - y), 0);
  const variance = points.reduce((sum, [px]) => sum + (px - x) ** 2, 0);
  const slope = covariance / variance;
  const base = y - slope * x;
  const worst = Math.max(...points.map(([px, py]) => Math.abs(base + slope * px - py) / py));
  return { base, slope, worst };
}
