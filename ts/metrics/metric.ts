/** One number of a metric, for one set of labels. */
export interface Sample {
  readonly labels?: Readonly<Record<string, string>>;
  readonly value: number;
}

/** A metric with all its samples. Names begin with `otr_`, counters end in `_total`, units are in the name. */
export interface Metric {
  readonly name: `otr_${string}`;
  /** One line. */
  readonly help: string;
  readonly type: "gauge" | "counter";
  readonly samples: readonly Sample[];
}

/** A gauge of one number; no sample while the number is unknown. */
export function gauge(name: Metric["name"], help: string, value: number | undefined): Metric {
  return { name, help, type: "gauge", samples: value === undefined ? [] : [{ value }] };
}

/** A counter of one number. */
export function counter(name: Metric["name"], help: string, value: number): Metric {
  return { name, help, type: "counter", samples: [{ value }] };
}

/** A gauge with a sample for each value of one label. */
export function gaugeBy(
  name: Metric["name"],
  help: string,
  label: string,
  values: Readonly<Record<string, number>>,
): Metric {
  const samples = Object.entries(values).map(([key, value]) => ({ labels: { [label]: key }, value }));
  return { name, help, type: "gauge", samples };
}

/** Metrics as Prometheus reads them (text format 0.0.4). */
export function exposition(metrics: readonly Metric[]): string {
  return metrics.map(textOf).join("");
}

function textOf({ name, help, type, samples }: Metric): string {
  const lines = samples.map(({ labels = {}, value }) => {
    const pairs = Object.entries(labels).map(([key, text]) => `${key}="${escaped(text)}"`);
    return `${name}${pairs.length === 0 ? "" : `{${pairs.join(",")}}`} ${numberOf(value)}\n`;
  });
  return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join("")}`;
}

function escaped(text: string): string {
  return text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
}

function numberOf(value: number): string {
  if (Number.isFinite(value)) return String(value);
  return Number.isNaN(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf";
}
