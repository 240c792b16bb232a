/** A line or points of a panel. */
export interface Series {
  readonly name: string;
  readonly colour: string;
  readonly points: readonly (readonly [x: number, y: number])[];
  /** Joined by a line, or dots. */
  readonly line: boolean;
  /** Beside each dot. */
  readonly labels?: readonly string[];
}

/** One diagram. */
export interface Panel {
  readonly title: string;
  readonly x: Axis;
  readonly y: Axis;
  readonly series: readonly Series[];
}

export interface Axis {
  readonly label: string;
  readonly ticks: readonly number[];
  readonly format: (value: number) => string;
  /** Logarithmic: equal factors are equally far apart. */
  readonly log?: boolean;
}

const [WIDTH, HEIGHT] = [460, 320];
const INNER = { left: 62, top: 34, width: 372, height: 216 };

/** Panels in two columns as one SVG file. */
export function drawPanels(panels: readonly Panel[]): string {
  const [width, height] = [2 * WIDTH, Math.ceil(panels.length / 2) * HEIGHT];
  const drawn = panels.map((panel, i) => {
    const [x, y] = [(i % 2) * WIDTH, Math.floor(i / 2) * HEIGHT];
    return `<g transform="translate(${x} ${y})">\n${drawPanel(panel)}\n</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" font-family="sans-serif" font-size="11">`,
    `<rect width="${width}" height="${height}" fill="#ffffff"/>`,
    ...drawn,
    "</svg>\n",
  ].join("\n");
}

function drawPanel({ title, x, y, series }: Panel): string {
  const { left, top, width, height } = INNER;
  const [atX, atY] = [scale(x, left, width), scale(y, top + height, -height)];
  const lines = [`<text x="${left}" y="20" font-size="13" font-weight="bold">${title}</text>`];
  for (const tick of y.ticks) {
    const at = atY(tick);
    lines.push(`<line x1="${left}" x2="${left + width}" y1="${at}" y2="${at}" stroke="#e0e0e0"/>`);
    lines.push(`<text x="${left - 6}" y="${at + 4}" text-anchor="end" fill="#555555">${y.format(tick)}</text>`);
  }
  for (const tick of x.ticks)
    lines.push(
      `<text x="${atX(tick)}" y="${top + height + 16}" text-anchor="middle" fill="#555555">${x.format(tick)}</text>`,
    );
  lines.push(`<text x="${left + width / 2}" y="${top + height + 32}" text-anchor="middle">${x.label}</text>`);
  lines.push(`<text transform="translate(13 ${top + height / 2}) rotate(-90)" text-anchor="middle">${y.label}</text>`);
  for (const { colour, points, line, labels } of series) {
    const places = points.map(([px, py]) => [atX(px), atY(py)] as const);
    if (line)
      lines.push(
        `<polyline points="${places.map((place) => place.join(",")).join(" ")}" fill="none" stroke="${colour}" stroke-width="1.5"/>`,
      );
    else for (const [cx, cy] of places) lines.push(`<circle cx="${cx}" cy="${cy}" r="3.5" fill="${colour}"/>`);
    for (const [i, label] of (labels ?? []).entries())
      lines.push(
        `<text x="${places[i]![0]}" y="${Math.round(places[i]![1] - 7)}" text-anchor="middle">${label}</text>`,
      );
  }
  let at = left;
  for (const { name, colour } of series.filter((each) => each.name !== "")) {
    lines.push(`<rect x="${at}" y="${top + height + 46}" width="10" height="10" fill="${colour}"/>`);
    lines.push(`<text x="${at + 14}" y="${top + height + 55}">${name}</text>`);
    at += 34 + 6 * name.length;
  }
  return lines.join("\n");
}

/** Where a value lies, in pixels with one decimal. */
function scale({ ticks, log }: Axis, start: number, length: number): (value: number) => number {
  const of = log ? Math.log : (value: number) => value;
  const [low, high] = [of(ticks[0]!), of(ticks.at(-1)!)];
  return (value) => Math.round(10 * (start + (length * (of(value) - low)) / (high - low))) / 10;
}
