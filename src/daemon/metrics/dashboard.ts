/**
 * The Grafana dashboard as data: which panels, with which queries. `make generate` writes packaging/grafana/dlfs.json of it.
 *
 * From the top: is all well, what do readers get, what does it cost the origin, what does the cache hold, how is the process. Every
 * panel shows the datasets chosen above; the first row needs no choice.
 */

/** A query of a panel. */
export interface PanelQuery {
  readonly expr: string;
  /** How Grafana names its series. */
  readonly legend: string;
}

/** One panel. */
export interface Panel {
  readonly title: string;
  /** What a person at night should know of it. */
  readonly description: string;
  readonly kind: 'stat' | 'timeseries' | 'table';
  /** Grafana's name of a unit. */
  readonly unit: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly queries: readonly PanelQuery[];
}

/** A row of panels under a title. */
export interface PanelRow {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const CHOSEN = 'instance=~"$instance",namespace=~"$namespace",dataset=~"$dataset"';
const NODE = 'instance=~"$instance"';
const LEGEND = '{{namespace}}/{{dataset}}';

/** Rate of a counter, by dataset. */
const rate = (name: string): string => `sum by (namespace, dataset) (rate(${name}{${CHOSEN}}[$__rate_interval]))`;

/** The rows, from the top. */
export const DASHBOARD: readonly PanelRow[] = [
  {
    title: 'Is all well',
    panels: [
      {
        ...{ title: 'Datasets', kind: 'stat', unit: 'short', width: 6 },
        description:
          'By phase. Failed: not served at all; Degraded: served, but something is wrong (dlfs describe NAME).',
        queries: [{ expr: `sum by (phase) (dlfs_datasets{${NODE}})`, legend: '{{phase}}' }],
      },
      {
        ...{ title: 'Failed reads', kind: 'stat', unit: 'reqps', width: 6 },
        description: 'Reads that ended with an error: an application has seen each of them.',
        queries: [
          { expr: `sum(rate(dlfs_dataset_failed_reads_total{${NODE}}[$__rate_interval]))`, legend: 'failed reads' },
        ],
      },
      {
        ...{ title: 'Cache disk', kind: 'stat', unit: 'short', width: 6 },
        description: 'floor: evicting to keep the disk free; bypass: no room, serving without caching.',
        queries: [{ expr: `sum by (state) (dlfs_cache_state{${NODE}})`, legend: '{{state}}' }],
      },
      {
        ...{ title: 'Damaged blocks', kind: 'stat', unit: 'short', width: 6 },
        description: 'Cached blocks that failed their hash and were fetched again, in a day: a disk to look at.',
        queries: [{ expr: `sum(increase(dlfs_dataset_lost_blocks_total{${NODE}}[1d]))`, legend: 'blocks' }],
      },
    ],
  },
  {
    title: 'What readers get',
    panels: [
      {
        ...{ title: 'Read', kind: 'timeseries', unit: 'Bps', width: 8 },
        description: 'What reached dlfs; what the page cache answers is faster still and seen by nobody here.',
        queries: [{ expr: rate('dlfs_dataset_read_bytes_total'), legend: LEGEND }],
      },
      {
        ...{ title: 'Hit rate by bytes', kind: 'timeseries', unit: 'percentunit', width: 8 },
        description: 'Share of the bytes that came from the local disk.',
        queries: [
          {
            expr: `${rate('dlfs_dataset_hit_bytes_total')} / ${rate('dlfs_dataset_read_bytes_total')}`,
            legend: LEGEND,
          },
        ],
      },
      {
        ...{ title: 'Readers waiting, by what for', kind: 'timeseries', unit: 'short', width: 8 },
        description:
          'Seconds waited a second, that is readers that wait at once. origin: the bucket; disk: the cache disk; queue: a turn; metadata: names.',
        queries: [
          {
            expr: `sum by (for) (rate(dlfs_dataset_wait_seconds_total{${CHOSEN}}[$__rate_interval]))`,
            legend: '{{for}}',
          },
        ],
      },
      {
        ...{ title: 'Errors by code', kind: 'timeseries', unit: 'short', width: 12 },
        description: 'docs/SEMANTICS.md says what each code means.',
        queries: [
          {
            expr: `sum by (dataset, code) (increase(dlfs_dataset_errors_total{${CHOSEN}}[$__rate_interval]))`,
            legend: '{{dataset}} {{code}}',
          },
        ],
      },
      {
        ...{ title: 'Time saved (estimate)', kind: 'timeseries', unit: 's', width: 12 },
        description: 'Bytes from the cache ÷ the measured rate of the origin.',
        queries: [{ expr: `dlfs_dataset_time_saved_seconds{${CHOSEN}}`, legend: LEGEND }],
      },
    ],
  },
  {
    title: 'The origin',
    panels: [
      {
        ...{ title: 'From the origin', kind: 'timeseries', unit: 'Bps', width: 8 },
        description: 'Bodies of GetObject answers.',
        queries: [{ expr: rate('dlfs_dataset_origin_bytes_total'), legend: LEGEND }],
      },
      {
        ...{ title: 'Requests', kind: 'timeseries', unit: 'reqps', width: 8 },
        description: 'GetObject, and listings.',
        queries: [
          { expr: rate('dlfs_dataset_origin_requests_total'), legend: `${LEGEND} GET` },
          { expr: rate('dlfs_dataset_origin_list_requests_total'), legend: `${LEGEND} LIST` },
        ],
      },
      {
        ...{ title: 'In flight, and waiting', kind: 'timeseries', unit: 'short', width: 8 },
        description: 'What waits long is held back by the origin (503), the memory (--memory), or the adaptive limit.',
        queries: [
          { expr: `dlfs_dataset_origin_in_flight{${CHOSEN}}`, legend: `${LEGEND} in flight` },
          { expr: `dlfs_dataset_origin_queued{${CHOSEN}}`, legend: `${LEGEND} queued` },
        ],
      },
      {
        ...{ title: 'Failures and retries', kind: 'timeseries', unit: 'reqps', width: 12 },
        description: 'A failure that was tried again and then went well is seen by nobody but here.',
        queries: [
          { expr: rate('dlfs_dataset_origin_failures_total'), legend: `${LEGEND} failed` },
          { expr: rate('dlfs_dataset_origin_retries_total'), legend: `${LEGEND} tried again` },
        ],
      },
      {
        ...{ title: 'Fetched ahead in vain', kind: 'timeseries', unit: 'percentunit', width: 12 },
        description: 'Share of what was fetched ahead of late that nobody read; without readahead there is no line.',
        queries: [{ expr: `dlfs_dataset_prefetch_wasted_ratio{${CHOSEN}}`, legend: LEGEND }],
      },
    ],
  },
  {
    title: 'The cache',
    panels: [
      {
        ...{ title: 'Cached', kind: 'timeseries', unit: 'bytes', width: 8 },
        description: 'Allocated bytes by dataset, and what all may have.',
        queries: [
          { expr: `dlfs_dataset_cache_bytes{${CHOSEN}}`, legend: LEGEND },
          { expr: `dlfs_cache_limit_bytes{${NODE}}`, legend: 'limit {{instance}}' },
        ],
      },
      {
        ...{ title: 'Share of the dataset', kind: 'timeseries', unit: 'percentunit', width: 8 },
        description: 'Cached of all bytes.',
        queries: [
          { expr: `dlfs_dataset_cache_bytes{${CHOSEN}} / (dlfs_dataset_bytes{${CHOSEN}} > 0)`, legend: LEGEND },
        ],
      },
      {
        ...{ title: 'Evicted', kind: 'timeseries', unit: 'Bps', width: 8 },
        description:
          'What left to make room. As much as is read from the origin, all the time: the cache is too small.',
        queries: [{ expr: rate('dlfs_dataset_evicted_bytes_total'), legend: LEGEND }],
      },
      {
        ...{ title: 'Free space of the disk', kind: 'timeseries', unit: 'bytes', width: 12 },
        description: 'Below the floor the cache shrinks for others.',
        queries: [
          { expr: `dlfs_cache_disk_free_bytes{${NODE}}`, legend: 'free {{instance}}' },
          { expr: `dlfs_cache_disk_floor_bytes{${NODE}}`, legend: 'floor {{instance}}' },
        ],
      },
      {
        ...{ title: 'Pinned', kind: 'timeseries', unit: 'bytes', width: 12 },
        description: 'Cached bytes that never leave.',
        queries: [{ expr: `dlfs_dataset_pinned_bytes{${CHOSEN}}`, legend: LEGEND }],
      },
    ],
  },
  {
    title: 'The process',
    panels: [
      {
        ...{ title: 'Memory', kind: 'timeseries', unit: 'bytes', width: 8 },
        description: 'Resident memory stays below --memory + 350 MiB.',
        queries: [
          { expr: `dlfs_resident_memory_bytes{${NODE}}`, legend: 'resident {{instance}}' },
          { expr: `dlfs_buffer_bytes{${NODE}}`, legend: 'buffers {{instance}}' },
          { expr: `dlfs_buffer_limit_bytes{${NODE}}`, legend: 'cap {{instance}}' },
        ],
      },
      {
        ...{ title: 'Event loop delay', kind: 'timeseries', unit: 's', width: 8 },
        description: 'How late decisions are; above 20 ms readers that miss feel it.',
        queries: [{ expr: `dlfs_event_loop_delay_seconds{${NODE},quantile="0.99"}`, legend: 'p99 {{instance}}' }],
      },
      {
        ...{ title: 'Descriptors and threads', kind: 'timeseries', unit: 'short', width: 8 },
        description: 'Neither grows with the number of datasets; descriptors follow the cached files in use.',
        queries: [
          { expr: `dlfs_open_descriptors{${NODE}}`, legend: 'descriptors {{instance}}' },
          { expr: `dlfs_threads{${NODE}}`, legend: 'threads {{instance}}' },
        ],
      },
    ],
  },
];

/** Height of a panel, in Grafana's rows. */
const HEIGHT = 8;
const COLUMNS = 24;

/** The dashboard as Grafana imports it. */
export function grafanaDashboard(): Record<string, unknown> {
  const panels: Record<string, unknown>[] = [];
  let y = 0;
  for (const { title, panels: ofRow } of DASHBOARD) {
    panels.push({
      id: panels.length + 1,
      type: 'row',
      title,
      collapsed: false,
      gridPos: { x: 0, y, w: COLUMNS, h: 1 },
      panels: [],
    });
    y += 1;
    let x = 0;
    for (const panel of ofRow) {
      if (x + panel.width > COLUMNS) {
        x = 0;
        y += HEIGHT;
      }
      panels.push(panelOf(panel, panels.length + 1, x, y));
      x += panel.width;
    }
    y += HEIGHT;
  }
  return {
    uid: 'dlfs-node',
    title: 'dlfs',
    tags: ['dlfs'],
    schemaVersion: 39,
    timezone: 'browser',
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    templating: {
      list: [
        SOURCE,
        variable('instance', 'dlfs_info', 'instance'),
        variable('namespace', 'dlfs_dataset_files', 'namespace'),
        variable('dataset', 'dlfs_dataset_files', 'dataset'),
      ],
    },
    panels,
  };
}

const SOURCE = { name: 'source', label: 'Prometheus', type: 'datasource', query: 'prometheus', hide: 0 };
const DATASOURCE = { type: 'prometheus', uid: '${source}' };

function variable(name: string, metric: string, label: string): Record<string, unknown> {
  return {
    name,
    label: name,
    type: 'query',
    datasource: DATASOURCE,
    query: { query: `label_values(${metric}, ${label})`, refId: name },
    refresh: 2,
    includeAll: true,
    // An empty namespace matches, too.
    allValue: '.*',
    multi: true,
    current: { text: 'All', value: '$__all' },
  };
}

function panelOf(
  { title, description, kind, unit, width, queries }: Panel,
  id: number,
  x: number,
  y: number,
): Record<string, unknown> {
  return {
    id,
    type: kind,
    title,
    description,
    datasource: DATASOURCE,
    gridPos: { x, y, w: width, h: HEIGHT },
    fieldConfig: { defaults: { unit, ...(kind === 'timeseries' ? { min: 0 } : {}) }, overrides: [] },
    options:
      kind === 'timeseries'
        ? { legend: { displayMode: 'list', placement: 'bottom' }, tooltip: { mode: 'multi', sort: 'desc' } }
        : {},
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      range: true,
    })),
  };
}
