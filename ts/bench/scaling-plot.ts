import type { Law } from "./law.ts";
import { drawPanels, type Panel } from "./plot.ts";
import { answerBytes, CONTEXTS, type ScalingFigures, type TimePoint } from "./scaling.ts";

/** What `bench scaling --write` draws. */
export const SCALING_PLOT = "docs/scaling.svg";

const [BLUE, ORANGE, GREEN, GREY] = ["#1f6feb", "#d9730d", "#2a9d5c", "#9a9a9a"];

/** The figures as four diagrams. */
export function drawScaling(figures: ScalingFigures): string {
  return drawPanels([disputes(figures), answers(figures), positions(figures), sizes(figures)]);
}

function disputes({ models, disputes: points, gasBySize }: ScalingFigures): Panel {
  const bytesOf = new Map(models.map(({ model, weightBytes }) => [model, weightBytes]));
  const ticks = [26, 28, 30, 32, 34, 36, 38, 40];
  const at = ({ model, gas }: (typeof points)[number]) => [Math.log2(bytesOf.get(model)!), gas / 1e6] as const;
  const bySize = points.filter(({ steps }) => steps === 8192);
  return {
    title: "Gas of a whole dispute, by walk",
    x: { label: "bytes of weights, as power of 2", ticks, format: String },
    y: { label: "million gas", ticks: [0, 0.25, 0.5, 0.75, 1, 1.25], format: String },
    series: [
      lawSeries(gasBySize, ticks, 1e-6),
      {
        name: "70B, 512 to 131,072 tokens",
        colour: ORANGE,
        line: false,
        points: points.filter(({ steps }) => steps !== 8192).map(at),
      },
      {
        name: "8,192 tokens",
        colour: BLUE,
        line: false,
        points: bySize.map(at),
        labels: bySize.map(({ model }) => model),
      },
    ],
  };
}

function answers({ models }: ScalingFigures): Panel {
  const large = models.find(({ model }) => model === "70B")!;
  const series = (name: string, colour: string, bytes: (steps: number) => number) => ({
    name,
    colour,
    line: true,
    points: CONTEXTS.map((steps) => [steps, bytes(steps)] as const),
  });
  return {
    title: "What an answer of the 70B weighs",
    x: { label: "tokens", ticks: CONTEXTS, format: (tokens) => tokens.toLocaleString("en"), log: true },
    y: { label: "bytes", ticks: [1e4, 1e6, 1e8, 1e10, 1e12], format: bytesName, log: true },
    series: [
      series("records, published", BLUE, (steps) => answerBytes(large, steps).records),
      series("fine trace of a step", ORANGE, (steps) => large.fineTraceBytes[steps]!),
      series("K/V cache", GREEN, (steps) => answerBytes(large, steps).cached),
    ],
  };
}

function positions({ byPosition, positionLaw, backend }: ScalingFigures): Panel {
  const ticks = [0, 2048, 4096, 6144, 8192];
  const most = Math.max(...byPosition.map(({ tracedMs }) => tracedMs));
  return {
    title: `A step of 135M by position (${backend}, 1 thread)`,
    x: { label: "position", ticks, format: (position) => position.toLocaleString("en") },
    y: { label: "CPU milliseconds", ticks: ticksTo(most), format: String },
    series: [lawSeries(positionLaw, ticks), ...timeSeries(byPosition, ({ position }) => position)],
  };
}

function sizes({ bySize, sizeLaw, backend }: ScalingFigures): Panel {
  const ticks = [0, 100, 200, 300, 400];
  const most = Math.max(...bySize.map(({ tracedMs }) => tracedMs));
  return {
    title: `A step by model size (${backend}, 1 thread)`,
    x: { label: "MB of weights", ticks, format: String },
    y: { label: "CPU milliseconds", ticks: ticksTo(most), format: String },
    series: [lawSeries(sizeLaw, ticks), ...timeSeries(bySize, ({ weightBytes }) => weightBytes / 1e6)],
  };
}

function timeSeries(points: readonly TimePoint[], x: (point: TimePoint) => number) {
  return [
    {
      name: "with its cache root",
      colour: ORANGE,
      line: false,
      points: points.map((p) => [x(p), p.tracedMs] as const),
    },
    { name: "without", colour: BLUE, line: false, points: points.map((p) => [x(p), p.ms] as const) },
  ];
}

function lawSeries({ base, slope }: Law, ticks: readonly number[], unit = 1) {
  const ends = [ticks[0]!, ticks.at(-1)!];
  const points = ends.map((x) => [x, Math.max(0, (base + slope * x) * unit)] as const);
  return { name: "fitted law", colour: GREY, line: true, points };
}

/** Five or six round ticks that reach beyond a value. */
function ticksTo(most: number): number[] {
  const rough = most / 5;
  const unit = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((factor) => factor * unit).find((each) => each >= rough)!;
  return Array.from({ length: Math.ceil(most / step) + 1 }, (_, i) => Number((i * step).toPrecision(6)));
}

function bytesName(bytes: number): string {
  const [unit, name] = (
    [
      [1e12, "TB"],
      [1e9, "GB"],
      [1e6, "MB"],
      [1e3, "kB"],
    ] as const
  ).find(([size]) => bytes >= size)!;
  return `${bytes / unit} ${name}`;
}
