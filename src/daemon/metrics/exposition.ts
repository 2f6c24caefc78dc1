/**
 * Metrics as Prometheus reads them, by prom-client.
 *
 * Invariants:
 * 1. A scrape shows one moment: all values come from one reading of the statistics.
 * 2. A dataset that is gone is gone from the next scrape.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import type { DatasetStats, NodeStats } from '../api/contract/stats-view.ts';
import { METRICS, type Metric, type Sample } from './definitions.ts';

/** The media type of the text (version 0.0.4 of the text format). */
export const CONTENT_TYPE = Registry.PROMETHEUS_CONTENT_TYPE;

/** The text of all metrics. */
export async function exposition(stats: NodeStats): Promise<string> {
  const registry = new Registry();
  for (const metric of METRICS) {
    const labelNames = [...(metric.of === 'dataset' ? ['namespace', 'dataset'] : []), ...metric.labels];
    const options = { name: metric.name, help: metric.help, labelNames, registers: [registry] };
    if (metric.type === 'counter') {
      const counter = new Counter(options);
      for (const [labels, value] of samplesOf(metric, stats)) {
        // A value that cannot be must not hide all the others.
        if (Number.isFinite(value) && value >= 0) counter.inc(labels, value);
      }
    } else {
      const gauge = new Gauge(options);
      for (const [labels, value] of samplesOf(metric, stats)) gauge.set(labels, value);
    }
  }
  return await registry.metrics();
}

function samplesOf(metric: Metric, stats: NodeStats): readonly Sample[] {
  if (metric.of === 'node') return metric.read(stats);
  return stats.datasets.flatMap((dataset) =>
    metric.read(dataset).map(([labels, value]): Sample => [{ ...labelsOf(dataset), ...labels }, value]),
  );
}

function labelsOf({ namespace, name }: DatasetStats): Record<string, string> {
  return { namespace: namespace ?? '', dataset: name };
}
