/**
 * docs/METRICS.md, generated of the table of metrics.
 */
import { METRICS, type Metric } from './definitions.ts';

/** The document. */
export function metricsReference(): string {
  const rows = (of: Metric['of']): string[] =>
    METRICS.filter((metric) => metric.of === of).map(
      ({ name, type, labels, help }) => `| \`${name}\` | ${type} | ${labels.map((label) => `\`${label}\``).join(', ')} | ${help} |`,
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
  ].join('\n');
}
