/**
 * Every alert rule in promtool: it fires on what it is for, with its dataset and node in the summary, and does not on what looks like it.
 */
import { strict as assert } from 'node:assert';
import { writeFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { ALERTS } from '../../src/daemon/metrics/alerts.ts';
import { TempDir } from '../support/files.ts';
import { promtool } from '../support/prometheus.ts';

const RULES = resolve(import.meta.dirname, '../../packaging/prometheus/dlfs.rules.yaml');

/** Series by selector, in promtool's notation: a value a minute, `0+3x20` grows by three twenty times. */
type Input = Readonly<Record<string, string>>;

/** What is looked at of one alert. */
interface Row {
  readonly fires: Input;
  /** Labels and words of what fires. */
  readonly labels?: Readonly<Record<string, string>>;
  readonly says: string;
  /** When it is looked at. */
  readonly at: string;
  /** Inputs on which it stays silent at that time; each with why. */
  readonly silent: Readonly<Record<string, Input>>;
}

const DATASET = { namespace: 'team', dataset: 'texts', instance: 'n1' };
const of = (name: string, more = ''): string =>
  `${name}{job="dlfs",instance="n1",namespace="team",dataset="texts"${more}}`;
const node = (name: string, more = ''): string => `${name}{job="dlfs",instance="n1"${more}}`;
const [FAILURES, REQUESTS] = [of('dlfs_dataset_origin_failures_total'), of('dlfs_dataset_origin_requests_total')];
const [EVICTED, FETCHED] = [of('dlfs_dataset_evicted_bytes_total'), of('dlfs_dataset_origin_bytes_total')];

const ROWS: Readonly<Record<string, Row>> = {
  DlfsDown: {
    fires: { [node('up')]: '1x2 0x10' },
    says: 'The dlfs daemon of n1 does not answer.',
    at: '6m',
    silent: { 'it answers': { [node('up')]: '1x10' }, 'one scrape was missed': { [node('up')]: '1x4 0 1x10' } },
  },
  DlfsRestarts: {
    fires: { [node('dlfs_uptime_seconds')]: '60 120 30 90 20 80 10 70 130' },
    says: 'The dlfs daemon of n1 has started 3 times anew within an hour.',
    at: '8m',
    silent: { 'one restart is an upgrade': { [node('dlfs_uptime_seconds')]: '6000 6060 10 70 130 190 250 310 370' } },
  },
  DlfsDatasetFailed: {
    fires: { [of('dlfs_dataset_phase', ',phase="Failed"')]: '1x20' },
    labels: { ...DATASET, phase: 'Failed', job: 'dlfs' },
    says: 'team/texts on n1 is not served.',
    at: '10m',
    silent: {
      'it is Ready': { [of('dlfs_dataset_phase', ',phase="Failed"')]: '0x20' },
      'it failed for a moment': { [of('dlfs_dataset_phase', ',phase="Failed"')]: '0x5 1x3 0x20' },
    },
  },
  DlfsDatasetDegraded: {
    fires: { [of('dlfs_dataset_phase', ',phase="Degraded"')]: '1x30' },
    labels: { ...DATASET, phase: 'Degraded', job: 'dlfs' },
    says: 'team/texts on n1 is degraded.',
    at: '20m',
    silent: { 'for less than a quarter of an hour': { [of('dlfs_dataset_phase', ',phase="Degraded"')]: '0x10 1x20' } },
  },
  DlfsReadsFail: {
    fires: { [of('dlfs_dataset_failed_reads_total')]: '0+6x20' },
    labels: DATASET,
    says: 'Reads of team/texts on n1 end with errors.',
    at: '15m',
    silent: {
      'no read fails': { [of('dlfs_dataset_failed_reads_total')]: '7x20' },
      'one read failed': { [of('dlfs_dataset_failed_reads_total')]: '0x5 1x20' },
    },
  },
  DlfsOriginFails: {
    fires: { [FAILURES]: '0+3x30', [REQUESTS]: '0+20x30' },
    labels: DATASET,
    says: 'More than a tenth of the requests to the origin of team/texts fail.',
    at: '20m',
    silent: {
      'one in a hundred fails': { [FAILURES]: '0+1x30', [REQUESTS]: '0+100x30' },
      'nothing is asked': { [FAILURES]: '5x30', [REQUESTS]: '9x30' },
    },
  },
  DlfsServingWithoutCache: {
    fires: { [node('dlfs_cache_state', ',state="bypass"')]: '1x20' },
    labels: { instance: 'n1', job: 'dlfs', state: 'bypass' },
    says: 'The cache disk of n1 has no room: everything comes from the origin.',
    at: '10m',
    silent: { 'the cache is only full': { [node('dlfs_cache_state', ',state="quota"')]: '1x20' } },
  },
  DlfsDiskAtFloor: {
    fires: { [node('dlfs_cache_state', ',state="floor"')]: '1x60' },
    labels: { instance: 'n1', job: 'dlfs', state: 'floor' },
    says: 'The cache disk of n1 is at its floor of free space: the cache shrinks.',
    at: '40m',
    silent: { 'for ten minutes': { [node('dlfs_cache_state', ',state="floor"')]: '0x30 1x10' } },
  },
  DlfsCacheThrashes: {
    fires: { [EVICTED]: '0+100000000x120', [FETCHED]: '0+120000000x120' },
    labels: DATASET,
    says: 'team/texts on n1 evicts nearly as much as it fetches.',
    at: '110m',
    silent: {
      'it fetches much and evicts little': { [EVICTED]: '0+1000000x120', [FETCHED]: '0+120000000x120' },
      'it evicts as much, but little': { [EVICTED]: '0+1000000x120', [FETCHED]: '0+1000000x120' },
    },
  },
  DlfsBlocksDamaged: {
    fires: { [of('dlfs_dataset_lost_blocks_total')]: '0x5 2x10' },
    labels: { instance: 'n1' },
    says: 'Cached blocks on n1 were damaged and fetched again.',
    at: '10m',
    silent: { 'that was hours ago': { [of('dlfs_dataset_lost_blocks_total')]: '2x200' } },
  },
  DlfsLoopSlow: {
    fires: { [node('dlfs_event_loop_delay_seconds', ',quantile="0.99"')]: '0.25x30' },
    labels: { instance: 'n1', job: 'dlfs', quantile: '0.99' },
    says: 'The control plane on n1 is late by 0.25 s.',
    at: '20m',
    silent: {
      'it is quick': { [node('dlfs_event_loop_delay_seconds', ',quantile="0.99"')]: '0.004x30' },
      'only the maximum is high': { [node('dlfs_event_loop_delay_seconds', ',quantile="1"')]: '3x30' },
    },
  },
  DlfsDescriptorsScarce: {
    fires: { [node('dlfs_open_descriptors')]: '950x30', [node('dlfs_descriptor_limit')]: '1000x30' },
    says: 'dlfs on n1 has nearly used up its descriptors.',
    at: '20m',
    silent: {
      'half of them are used': {
        [node('dlfs_open_descriptors')]: '500x30',
        [node('dlfs_descriptor_limit')]: '1000x30',
      },
    },
  },
};

test('the rules are valid', async () => {
  assert.match(await promtool('check', 'rules', RULES), new RegExp(`SUCCESS: ${ALERTS.length} rules found`));
});

test('every alert fires on what it is for, and on nothing that looks like it', async () => {
  assert.deepEqual(Object.keys(ROWS).sort(), ALERTS.map(({ alert }) => alert).sort());
  const tests = ALERTS.flatMap(({ alert, severity, action }) => {
    const { fires, silent, at, says, labels = { instance: 'n1', job: 'dlfs' } } = ROWS[alert]!;
    const expected = {
      exp_labels: { ...labels, severity },
      exp_annotations: { summary: says, action },
    };
    return [
      unit(`${alert} fires`, fires, alert, at, [expected]),
      ...Object.entries(silent).map(([why, input]) => unit(`${alert} is silent: ${why}`, input, alert, at, [])),
    ];
  });
  await using temp = await TempDir.create('alerts');
  const file = temp.join('tests.yaml');
  await writeFile(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '1m', tests }));
  assert.match(await promtool('test', 'rules', file), /SUCCESS/);
});

test('promtool would say that an alert did not fire', async () => {
  await using temp = await TempDir.create('alerts');
  const file = temp.join('tests.yaml');
  const input = { [node('up')]: '1x10' };
  const wrong = unit('a healthy node', input, 'DlfsDown', '6m', [{ exp_labels: { instance: 'n1' } }]);
  await writeFile(file, JSON.stringify({ rule_files: [RULES], evaluation_interval: '1m', tests: [wrong] }));
  await assert.rejects(promtool('test', 'rules', file), /FAILED/);
});

/** A unit test as promtool reads it. */
function unit(name: string, input: Input, alert: string, at: string, expected: readonly object[]): object {
  return {
    name,
    interval: '1m',
    input_series: Object.entries(input).map(([series, values]) => ({ series, values })),
    alert_rule_test: [{ eval_time: at, alertname: alert, exp_alerts: expected }],
  };
}
