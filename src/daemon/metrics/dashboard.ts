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
  readonly kind: 'stat' | 'timeseries';
  /** Grafana's name of a unit. */
  readonly unit: string;
  /** Of 24 columns. */
  readonly width: number;
  readonly queries: readonly PanelQuery[];
  /** Series of which anything above zero is wrong, with their colour; a stat's others are never alarming. */
  readonly alarms?: Readonly<Record<string, 'red' | 'orange'>>;
  /** What an empty panel says, where empty is good news. */
  readonly empty?: string;
}

/** A row of panels under a title. */
export interface PanelRow {
  readonly title: string;
  readonly panels: readonly Panel[];
}

const CHOSEN = 'instance=~"$instance",namespace=~"$namespace",dataset=~"$dataset"';
const NODE = 'instance=~"$instance"';
/** A dataset without namespace has an empty one: no stroke between, which would make a path of its name. */
const LEGEND = '{{namespace}} {{dataset}}';
/** Lines that a person can still tell apart; a node may have hundreds of datasets. */
const MOST = 20;

/** The datasets with the highest values, those of all chosen instances together. */
const top = (expr: string, by = 'namespace, dataset'): string => `topk(${MOST}, sum by (${by}) (${expr}))`;
const rateOf = (name: string): string => `rate(${name}{${CHOSEN}}[$__rate_interval])`;
/** Rate of a counter, by dataset. */
const rate = (name: string): string => top(rateOf(name));
const sum = (expr: string): string => `sum by (namespace, dataset) (${expr})`;

/** The rows, from the top. */
export const DASHBOARD: readonly PanelRow[] = [
  {
    title: 'Is all well',
    panels: [
      {
        ...{ title: 'Daemons', kind: 'stat', unit: 'short', width: 5 },
        description:
          'Processes that answer, those that do not (their mounts are dead), and how often one began anew in a day.',
        queries: [
          { expr: `sum(up{job="dlfs",${NODE}})`, legend: 'up' },
          { expr: `sum(1 - up{job="dlfs",${NODE}})`, legend: 'down' },
          { expr: `sum(resets(dlfs_uptime_seconds{${NODE}}[1d]))`, legend: 'restarts' },
        ],
        alarms: { down: 'red', restarts: 'orange' },
      },
      {
        ...{ title: 'Datasets', kind: 'stat', unit: 'short', width: 7 },
        description:
          'By phase. Failed: not served at all; Degraded: served, but something is wrong (dlfs describe NAME).',
        queries: [{ expr: `sum by (phase) (dlfs_datasets{${NODE}})`, legend: '{{phase}}' }],
        alarms: { Failed: 'red', Degraded: 'orange' },
      },
      {
        ...{ title: 'Failed reads', kind: 'stat', unit: 'reqps', width: 4 },
        description: 'Reads that ended with an error: an application has seen each of them.',
        queries: [
          { expr: `sum(rate(dlfs_dataset_failed_reads_total{${NODE}}[$__rate_interval]))`, legend: 'failed reads' },
        ],
        alarms: { 'failed reads': 'red' },
      },
      {
        ...{ title: 'Cache disks, by state', kind: 'stat', unit: 'short', width: 5 },
        description:
          'How many nodes are in each. quota: evicting for --cache-size, as a full cache does; floor: evicting to keep the disk free; bypass: no room, serving without caching.',
        queries: [{ expr: `sum by (state) (dlfs_cache_state{${NODE}})`, legend: '{{state}}' }],
        alarms: { bypass: 'red', floor: 'orange' },
      },
      {
        ...{ title: 'Damaged blocks, 24 h', kind: 'stat', unit: 'short', width: 3 },
        description: 'Cached blocks that failed their hash and were fetched again: a disk to look at.',
        queries: [{ expr: `sum(increase(dlfs_dataset_lost_blocks_total{${NODE}}[1d]))`, legend: 'blocks' }],
        alarms: { blocks: 'red' },
      },
      {
        ...{ title: 'Datasets that are not Ready', kind: 'timeseries', unit: 'short', width: 12 },
        description: 'Which, and since when: on how many nodes. dlfs describe NAME there says why.',
        queries: [
          {
            expr: `sum by (namespace, dataset, phase) (dlfs_dataset_phase{${CHOSEN},phase!="Ready"}) > 0`,
            legend: `${LEGEND} {{phase}}`,
          },
        ],
        empty: 'All are Ready',
      },
      {
        ...{ title: 'Errors by code, a minute', kind: 'timeseries', unit: 'short', width: 12 },
        description: 'docs/SEMANTICS.md says what each code means.',
        queries: [
          {
            expr: `60 * ${top(rateOf('dlfs_dataset_errors_total'), 'namespace, dataset, code')} > 0`,
            legend: `${LEGEND} {{code}}`,
          },
        ],
        empty: 'No errors',
      },
    ],
  },
  {
    title: `What readers get (the ${MOST} datasets with most)`,
    panels: [
      {
        ...{ title: 'Read', kind: 'timeseries', unit: 'Bps', width: 8 },
        description: 'What reached dlfs; what the page cache answers is faster still and seen by nobody here.',
        queries: [{ expr: rate('dlfs_dataset_read_bytes_total'), legend: LEGEND }],
      },
      {
        ...{ title: 'Hit rate by bytes', kind: 'timeseries', unit: 'percentunit', width: 8 },
        description: `Share of the bytes that came from the local disk; the ${MOST} lowest. No line: nothing is read.`,
        queries: [
          {
            expr: `bottomk(${MOST}, ${sum(rateOf('dlfs_dataset_hit_bytes_total'))} / (${sum(rateOf('dlfs_dataset_read_bytes_total'))} > 0))`,
            legend: LEGEND,
          },
        ],
        empty: 'Nothing is read',
      },
      {
        ...{ title: 'Mean wait of a read', kind: 'timeseries', unit: 's', width: 8 },
        description: 'Origin, disk and queue together, over hits and misses; the highest. No line: nothing is read.',
        queries: [
          {
            expr: `topk(${MOST}, ${sum(`rate(dlfs_dataset_wait_seconds_total{${CHOSEN},for!="metadata"}[$__rate_interval])`)} / (${sum(rateOf('dlfs_dataset_reads_total'))} > 0))`,
            legend: LEGEND,
          },
        ],
        empty: 'Nothing is read',
      },
      {
        ...{ title: 'Readers waiting, by what for', kind: 'timeseries', unit: 'short', width: 12 },
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
        ...{ title: 'Time saved (estimate)', kind: 'timeseries', unit: 's', width: 12 },
        description: 'Since the start of the process: bytes from the cache ÷ the measured rate of the origin.',
        queries: [{ expr: top(`dlfs_dataset_time_saved_seconds{${CHOSEN}}`), legend: LEGEND }],
      },
    ],
  },
  {
    title: `The origin (the ${MOST} datasets with most)`,
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
          { expr: top(`dlfs_dataset_origin_in_flight{${CHOSEN}}`), legend: `${LEGEND} in flight` },
          { expr: top(`dlfs_dataset_origin_queued{${CHOSEN}}`), legend: `${LEGEND} queued` },
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
        description:
          'Share of what was fetched ahead of late that nobody read, the worst instance; without readahead there is no line.',
        queries: [
          {
            expr: `topk(${MOST}, max by (namespace, dataset) (dlfs_dataset_prefetch_wasted_ratio{${CHOSEN}}))`,
            legend: LEGEND,
          },
        ],
        empty: 'Nothing was fetched ahead',
      },
    ],
  },
  {
    title: `The cache (the ${MOST} datasets with most)`,
    panels: [
      {
        ...{ title: 'Cached', kind: 'timeseries', unit: 'bytes', width: 8 },
        description: 'Allocated bytes by dataset.',
        queries: [{ expr: top(`dlfs_dataset_cache_bytes{${CHOSEN}}`), legend: LEGEND }],
      },
      {
        ...{ title: 'Share of the dataset', kind: 'timeseries', unit: 'percentunit', width: 8 },
        description: 'Cached of all bytes, those of all chosen instances together.',
        queries: [
          {
            expr: `topk(${MOST}, clamp_max(${sum(`dlfs_dataset_cache_bytes{${CHOSEN}}`)} / (${sum(`dlfs_dataset_bytes{${CHOSEN}}`)} > 0), 1))`,
            legend: LEGEND,
          },
        ],
      },
      {
        ...{ title: 'Evicted', kind: 'timeseries', unit: 'Bps', width: 8 },
        description:
          'What left to make room. As much as is read from the origin, all the time: the cache is too small.',
        queries: [{ expr: rate('dlfs_dataset_evicted_bytes_total'), legend: LEGEND }],
      },
      {
        ...{ title: 'Cache of the node', kind: 'timeseries', unit: 'bytes', width: 8 },
        description: 'All datasets together, and what they may have (--cache-size, or the disk).',
        queries: [
          { expr: `dlfs_cache_bytes{${NODE}}`, legend: 'cached {{instance}}' },
          { expr: `dlfs_cache_limit_bytes{${NODE}}`, legend: 'limit {{instance}}' },
        ],
      },
      {
        ...{ title: 'Free space of the disk', kind: 'timeseries', unit: 'bytes', width: 8 },
        description: 'Below the floor the cache shrinks for others.',
        queries: [
          { expr: `dlfs_cache_disk_free_bytes{${NODE}}`, legend: 'free {{instance}}' },
          { expr: `dlfs_cache_disk_floor_bytes{${NODE}}`, legend: 'floor {{instance}}' },
        ],
      },
      {
        ...{ title: 'Pinned', kind: 'timeseries', unit: 'bytes', width: 8 },
        description: 'Cached bytes that never leave.',
        queries: [{ expr: top(`dlfs_dataset_pinned_bytes{${CHOSEN}}`), legend: LEGEND }],
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
        description:
          'Threads do not grow with the number of datasets; descriptors do, some ten each, and follow the cached files in use.',
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
        variable('namespace', `dlfs_dataset_files{${NODE}}`, 'namespace'),
        variable('dataset', `dlfs_dataset_files{${NODE},namespace=~"$namespace"}`, 'dataset'),
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

function panelOf(panel: Panel, id: number, x: number, y: number): Record<string, unknown> {
  const { title, description, kind, width, queries } = panel;
  return {
    id,
    type: kind,
    title,
    description,
    datasource: DATASOURCE,
    gridPos: { x, y, w: width, h: HEIGHT },
    fieldConfig: fieldsOf(panel),
    options:
      kind === 'timeseries'
        ? {
            // A table: which line is the highest is what is asked of many datasets.
            legend: {
              displayMode: 'table',
              placement: 'bottom',
              calcs: ['lastNotNull', 'max'],
              sortBy: 'Max',
              sortDesc: true,
            },
            tooltip: { mode: 'multi', sort: 'desc' },
          }
        : {
            // The last value even where it is none: what does not answer must not look as it did when it did.
            reduceOptions: { calcs: ['last'], fields: '', values: false },
            colorMode: 'background',
            graphMode: 'none',
            textMode: 'value_and_name',
          },
    targets: queries.map(({ expr, legend }, index) => ({
      refId: String.fromCharCode(65 + index),
      datasource: DATASOURCE,
      expr,
      legendFormat: legend,
      range: true,
    })),
  };
}

/** Unit, and colours: Grafana's own thresholds would paint everything from 80 on red. */
function fieldsOf({ kind, unit, alarms = {}, empty }: Panel): Record<string, unknown> {
  const defaults = {
    unit,
    ...(empty === undefined ? {} : { noValue: empty }),
    ...(kind === 'stat'
      ? { ...(unit === 'short' ? { decimals: 0 } : {}), thresholds: steps('transparent') }
      : { min: 0, custom: { spanNulls: false, fillOpacity: 10 } }),
  };
  const overrides = Object.entries(alarms).map(([name, colour]) => ({
    matcher: { id: 'byName', options: name },
    properties: [{ id: 'thresholds', value: steps('green', colour) }],
  }));
  return { defaults, overrides };
}

/** A colour, and another for all that is above zero. */
function steps(base: string, above?: string): Record<string, unknown> {
  const first = { color: base, value: null };
  return { mode: 'absolute', steps: above === undefined ? [first] : [first, { color: above, value: 1e-9 }] };
}
