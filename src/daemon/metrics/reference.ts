/**
 * docs/METRICS.md, generated of the table of metrics.
 */
import { ALERTS } from './alerts.ts';
import { METRICS, type Metric } from './definitions.ts';

/** The document. */
export function metricsReference(): string {
  const rows = (of: Metric['of']): string[] =>
    METRICS.filter((metric) => metric.of === of).map(
      ({ name, type, labels, help }) =>
        `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
    );
  const head = ['| metric | type | labels | meaning |', '|---|---|---|---|'];
  return [
    '# Metrics',
    '',
    'Generated from `src/daemon/metrics/definitions.ts` (`make generate`). `GET /metrics` on the API socket, and on `--metrics ADDR` over TCP.',
    'Counters run from the start of the process. What the kernel answers from its page cache is seen by nobody here.',
    '',
    '## Of the process',
    '',
    ...head,
    ...rows('node'),
    '',
    '## Of each dataset',
    '',
    'All of these have the labels `namespace` (empty where there is none) and `dataset`, too.',
    '',
    ...head,
    ...rows('dataset'),
    '',
    '## Alerts',
    '',
    'In `packaging/prometheus/dlfs.rules.yaml`; they expect the scrape job to be called `dlfs`. The dashboard is `packaging/grafana/dlfs.json`.',
    '',
    '| alert | severity | what it says | what to do |',
    '|---|---|---|---|',
    ...ALERTS.map(
      ({ alert, severity, for: holds, summary, action }) =>
        `| \`${alert}\` | ${severity}, after ${holds} | ${plain(summary)} | ${action} |`,
    ),
    '',
  ].join('\n');
}

/** A template's labels as words. */
function plain(summary: string): string {
  return summary
    .replace(/\{\{ \$labels\.([a-z]+) \}\}/g, (_, label: string) => label.toUpperCase())
    .replace('{{ $value }}', 'so many');
}
