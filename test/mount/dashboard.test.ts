/**
 * The Grafana dashboard and the alert rules in Debian's Prometheus, over a daemon that works: two datasets are read, warmed, pinned, evicted,
 * damaged, verified, and their origin fails for a while. No panel is empty, and each shows more than zeros.
 */
import { strict as assert } from 'node:assert';
import { execFile } from 'node:child_process';
import { appendFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { ALERTS } from '../../src/daemon/metrics/alerts.ts';
import { Helper } from '../posix/helper.ts';
import { CacheFiles } from '../support/cache-files.ts';
import { DlfsDaemon } from '../support/daemon.ts';
import { loadDashboard, substitute, type Choice } from '../support/grafana.ts';
import { ManyOrigin } from '../support/many-origin.ts';
import { cleanEnvironment, DLFS } from '../support/mount.ts';
import { until } from '../support/process.ts';
import { Prometheus, type Series } from '../support/prometheus.ts';

const run = promisify(execFile);
const root = resolve(import.meta.dirname, '../..');
const RULES = resolve(root, 'packaging/prometheus/dlfs.rules.yaml');
const DASHBOARD = resolve(root, 'packaging/grafana/dlfs.json');

/** What is zero where all is well, and stays so here: no process ends, all that is fetched ahead is read, nothing waits for a turn. */
const GOOD_ZEROS = ['1 - up', 'resets(', '_prefetch_wasted_ratio', '_origin_queued'];

const SCRAPE_MS = 200;
const PATIENCE_MS = 30_000;
const LIMIT = { timeout: 120_000 };
const MIB = 1024 ** 2;
const FILES: Readonly<Record<string, number>> = {
  ...Object.fromEntries(
    Array.from({ length: 24 }, (_, i) => [`photos/${i < 12 ? 'a' : 'b'}/${String(i).padStart(2, '0')}`, 400_000]),
  ),
  ...Object.fromEntries(Array.from({ length: 8 }, (_, i) => [`texts/${i}`, 100_000])),
  'photos/long': 24 * MIB,
};

/** Where pictures are to be made of them: every query with its series, a line of JSON each. */
const KEEP = process.env['DASHBOARD_SERIES'];

test(
  'every panel of the dashboard shows what a working daemon does, and Prometheus evaluates every alert',
  LIMIT,
  async () => {
    await using origin = await ManyOrigin.start(FILES);
    await using daemon = await DlfsDaemon.start({
      env: origin.env,
      manifests: {
        'photos.json': origin.manifest('photos', {
          cache: { quota: { bytes: '16MiB' }, blockSize: '256KiB' },
          ioTimeout: '2s',
        }),
        'texts.json': origin.manifest('team/texts', { ioTimeout: '1s' }, 'texts'),
      },
      args: ['--metrics', '127.0.0.1:0'],
    });
    const { address } = JSON.parse(await daemon.logged(/"metrics are served"/)) as { address: string };
    await using prometheus = await Prometheus.start(address, SCRAPE_MS, RULES);
    const from = Date.now() / 1000;
    await work(origin, daemon, prometheus);
    const to = Date.now() / 1000;

    const { variables, panels } = await loadDashboard(DASHBOARD);
    const everything: Choice = new Map(variables.map(({ name, allValue }) => [name, allValue]));
    const chosen: Choice = new Map(everything);
    for (const { name, query } of variables) {
      const [, selector = '', label = ''] = /^label_values\((.+), *(\w+)\)$/.exec(query) ?? [];
      const values = await prometheus.labelValues(label, substitute(selector, everything, SCRAPE_MS));
      assert.ok(values.length > 0, `the variable ${name} has values`);
      chosen.set(name, `(${values.join('|')})`);
    }
    const empty: string[] = [];
    const zeros: string[] = [];
    for (const panel of panels) {
      for (const { expr, legendFormat } of panel.targets) {
        const name = `${panel.title}: ${expr}`;
        const span = { from, to, step: SCRAPE_MS / 1000 };
        const series = await prometheus.range(substitute(expr, everything, SCRAPE_MS), span);
        if (KEEP !== undefined) await appendFile(KEEP, `${JSON.stringify({ panel, expr, legendFormat, series })}\n`);
        const values = valuesOf(series);
        if (!values.some(Number.isFinite)) empty.push(name);
        else if (!values.some((value) => value > 0)) zeros.push(name);
        for (const [label = ''] of legendFormat.matchAll(/(?<={{)\w+(?=}})/g)) {
          assert.ok(
            label === 'namespace' || series.every(({ metric }) => label in metric),
            `${name}: the legend's ${label} is a label`,
          );
        }
        assert.equal(new Set(series.map(({ metric }) => JSON.stringify(metric))).size, series.length);
        const fewer = await prometheus.range(substitute(expr, chosen, SCRAPE_MS), span);
        if (!valuesOf(fewer).some(Number.isFinite)) empty.push(`${name} of what is chosen`);
      }
    }
    assert.deepEqual(empty, [], 'nothing to see');
    assert.deepEqual(
      zeros.filter((name) => !GOOD_ZEROS.some((good) => name.includes(good))),
      [],
      'nothing but zeros',
    );

    const health = await prometheus.ruleHealth();
    assert.deepEqual([...health.keys()].sort(), ALERTS.map(({ alert }) => alert).sort());
    assert.deepEqual(new Set(health.values()), new Set(['ok']));
  },
);

function valuesOf(series: readonly Series[]): number[] {
  return series.flatMap(({ values }) => values.map(([, value]) => Number(value)));
}

/** All that a dashboard should tell of, one after the other. */
async function work(origin: ManyOrigin, daemon: DlfsDaemon, prometheus: Prometheus): Promise<void> {
  await using stack = new AsyncDisposableStack();
  const helper = stack.use(new Helper());
  const dlfs = async (...args: string[]): Promise<string> => {
    const env = { ...cleanEnvironment(), DLFS_SOCKET: daemon.socket };
    return (await run(DLFS, args, { env, timeout: PATIENCE_MS })).stdout;
  };
  const readers = Array.from({ length: 6 }, () => stack.use(new Helper()));
  const read = (path: string): Promise<unknown> => helper.call('digest', daemon.dirOf(path));
  const seen = async (query: string): Promise<void> => {
    await until(async () => (await prometheus.instant(query)) > 0, PATIENCE_MS, `Prometheus sees ${query}`);
  };

  // Cold reads of an origin that is slow, so that what is under way can be seen; then hits.
  {
    using slow = origin.faults.inject({ kind: 'get' }, { type: 'drip', bytes: 50_000, everyMs: 100 });
    const reads = readers.map((reader, i) => reader.call('digest', daemon.dirOf(`photos/a/0${i}`)));
    await seen('dlfs_dataset_origin_in_flight > 0');
    await Promise.all(reads);
    assert.ok(slow.hits > 0);
  }
  await dlfs('refresh', 'team/texts');
  await dlfs('warm', 'team/texts');
  for (let i = 0; i < 6; i += 1) await read(`team/texts/${i}`);
  await seen('dlfs_dataset_hit_bytes_total{dataset="texts"} > 0');

  // One pin, then more than the quota holds.
  await dlfs('pin', 'photos', 'a/00');
  await read('photos/long');
  await seen('dlfs_dataset_evicted_bytes_total > 0');
  await seen('dlfs_dataset_pinned_bytes > 0');

  // A request that fails and goes well when it is tried again; then an origin that refuses.
  await dlfs('evict', 'photos', 'b/13');
  {
    using busy = origin.faults.inject({ kind: 'get', nth: 1 }, { type: 'error', status: 503, code: 'SlowDown' });
    await read('photos/b/13');
    assert.equal(busy.hits, 1);
  }
  await dlfs('evict', 'team/texts', '7');
  {
    using refusing = origin.faults.inject(
      { when: ({ key, prefix }) => key.startsWith('texts/') || (prefix ?? '').startsWith('texts/') },
      { type: 'error', status: 403, code: 'AccessDenied' },
    );
    await assert.rejects(read('team/texts/7'), { code: 'EACCES' });
    await assert.rejects(dlfs('refresh', 'team/texts'));
    await seen('dlfs_dataset_failed_reads_total > 0');
    await seen('dlfs_dataset_phase{phase="Degraded"} == 1');
    assert.ok(refusing.hits > 0);
  }

  // A damaged block.
  const folder = JSON.parse(await dlfs('get', 'texts', '-n', 'team', '-o', 'json')) as {
    status: { generation: { id: string } };
  };
  const cache = CacheFiles.of(`${daemon.cache}/${folder.status.generation.id}`);
  const [file] = await cache.files();
  assert.ok(file !== undefined);
  await cache.flip(file.ino, 100);
  await dlfs('verify', 'team/texts', '--repair');
  await seen('dlfs_dataset_lost_blocks_total > 0');
}
