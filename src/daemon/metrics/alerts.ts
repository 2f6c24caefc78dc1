/**
 * The alert rules as data; `make generate` writes packaging/prometheus/dlfs.rules.yaml of it, and docs/METRICS.md lists them.
 *
 * An alert is for something a person must do; what mends itself is on the dashboard.
 */

/** One rule. */
export interface AlertRule {
  readonly alert: string;
  readonly expr: string;
  /** How long it must hold. */
  readonly for: string;
  readonly severity: 'critical' | 'warning';
  readonly summary: string;
  /** What to do. */
  readonly action: string;
}

/** All rules. */
export const ALERTS: readonly AlertRule[] = [
  {
    alert: 'DlfsDown',
    expr: 'up{job="dlfs"} == 0',
    for: '2m',
    severity: 'critical',
    summary: 'The dlfs daemon of {{ $labels.instance }} does not answer.',
    action: 'systemctl status dlfs; its mounts answer "Transport endpoint is not connected" until it is started again.',
  },
  {
    alert: 'DlfsRestarts',
    expr: 'resets(dlfs_uptime_seconds[1h]) >= 3',
    for: '0m',
    severity: 'critical',
    summary: 'The dlfs daemon of {{ $labels.instance }} has started {{ $value }} times anew within an hour.',
    action:
      'journalctl -u dlfs and the kernel log say what ends it (memory, the watchdog, a crash); reads fail meanwhile.',
  },
  {
    alert: 'DlfsDatasetFailed',
    expr: 'dlfs_dataset_phase{phase="Failed"} == 1',
    for: '5m',
    severity: 'critical',
    summary: '{{ $labels.namespace }}/{{ $labels.dataset }} on {{ $labels.instance }} is not served.',
    action: 'dlfs describe NAME says why; it is tried again with growing pauses.',
  },
  {
    alert: 'DlfsDatasetDegraded',
    expr: 'dlfs_dataset_phase{phase="Degraded"} == 1',
    for: '15m',
    severity: 'warning',
    summary: '{{ $labels.namespace }}/{{ $labels.dataset }} on {{ $labels.instance }} is degraded.',
    action: 'dlfs describe NAME: which condition is False, and since when.',
  },
  {
    alert: 'DlfsReadsFail',
    expr: 'sum by (instance, namespace, dataset) (rate(dlfs_dataset_failed_reads_total[5m])) > 0.01',
    for: '5m',
    severity: 'critical',
    summary: 'Reads of {{ $labels.namespace }}/{{ $labels.dataset }} on {{ $labels.instance }} end with errors.',
    action: 'dlfs logs NAME --level warn names keys and reasons; dlfs doctor looks at the endpoint.',
  },
  {
    alert: 'DlfsOriginFails',
    expr: 'sum by (instance, namespace, dataset) (rate(dlfs_dataset_origin_failures_total[5m])) > 0.1 * sum by (instance, namespace, dataset) (rate(dlfs_dataset_origin_requests_total[5m]))',
    for: '10m',
    severity: 'warning',
    summary: 'More than a tenth of the requests to the origin of {{ $labels.namespace }}/{{ $labels.dataset }} fail.',
    action: 'Throttled (503), unreachable, or refused: dlfs_dataset_errors_total has the codes.',
  },
  {
    alert: 'DlfsServingWithoutCache',
    expr: 'dlfs_cache_state{state="bypass"} == 1',
    for: '5m',
    severity: 'critical',
    summary: 'The cache disk of {{ $labels.instance }} has no room: everything comes from the origin.',
    action: 'Free the disk, raise --cache-size, or take pins back.',
  },
  {
    alert: 'DlfsDiskAtFloor',
    expr: 'dlfs_cache_state{state="floor"} == 1',
    for: '30m',
    severity: 'warning',
    summary: 'The cache disk of {{ $labels.instance }} is at its floor of free space: the cache shrinks.',
    action: 'Something else fills the disk; see what, or lower --cache-floor.',
  },
  {
    alert: 'DlfsCacheThrashes',
    expr: 'sum by (instance, namespace, dataset) (rate(dlfs_dataset_evicted_bytes_total[30m])) > 0.5 * sum by (instance, namespace, dataset) (rate(dlfs_dataset_origin_bytes_total[30m])) and sum by (instance, namespace, dataset) (rate(dlfs_dataset_origin_bytes_total[30m])) > 1e6',
    for: '1h',
    severity: 'warning',
    summary:
      '{{ $labels.namespace }}/{{ $labels.dataset }} on {{ $labels.instance }} evicts nearly as much as it fetches.',
    action: 'Its data does not fit: raise its quota or --cache-size, or pin what matters.',
  },
  {
    alert: 'DlfsBlocksDamaged',
    expr: 'sum by (instance) (increase(dlfs_dataset_lost_blocks_total[1h])) > 0',
    for: '0m',
    severity: 'warning',
    summary: 'Cached blocks on {{ $labels.instance }} were damaged and fetched again.',
    action: 'Once after a power loss is expected; again and again it is the disk: smartctl, dlfs verify.',
  },
  {
    alert: 'DlfsLoopSlow',
    expr: 'dlfs_event_loop_delay_seconds{quantile="0.99"} > 0.1',
    for: '15m',
    severity: 'warning',
    summary: 'The control plane on {{ $labels.instance }} is late by {{ $value }} s.',
    action: 'Too little CPU for the process, or a fault in dlfs: keep dlfs stats -o json and the log.',
  },
  {
    alert: 'DlfsDescriptorsScarce',
    expr: 'dlfs_open_descriptors > 0.9 * dlfs_descriptor_limit',
    for: '15m',
    severity: 'warning',
    summary: 'dlfs on {{ $labels.instance }} has nearly used up its descriptors.',
    action: 'Raise LimitNOFILE of the service.',
  },
];

/** The rules as Prometheus reads them, plain data. */
export function alertRules(): Record<string, unknown> {
  return {
    groups: [
      {
        name: 'dlfs',
        rules: ALERTS.map(({ alert, expr, for: holds, severity, summary, action }) => ({
          ...{ alert, expr, for: holds, labels: { severity } },
          annotations: { summary, action },
        })),
      },
    ],
  };
}
