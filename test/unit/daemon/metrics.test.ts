import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, test } from 'node:test';
import { SILENT_LOGGER } from '../../../src/base/log.ts';
import { METRICS } from '../../../src/daemon/metrics/definitions.ts';
import { exposition } from '../../../src/daemon/metrics/exposition.ts';
import { MetricsServer } from '../../../src/daemon/metrics/metrics-server.ts';
import { sampleNode } from '../../support/stats-samples.ts';

describe('metrics', () => {
  test('follow the rules for names: units, and _total for counters alone', () => {
    for (const { name, type, help } of METRICS) {
      assert.match(name, /^dlfs_[a-z_]+$/);
      assert.equal(name.endsWith('_total'), type === 'counter', name);
      assert.match(help, /\.$/, name);
    }
    assert.equal(new Set(METRICS.map(({ name }) => name)).size, METRICS.length);
  });

  test('show every metric of the table, with the values of the statistics', async () => {
    const text = await exposition(sampleNode(8));
    for (const { name } of METRICS) assert.match(text, new RegExp(`^# TYPE ${name} `, 'm'), name);
    assert.match(text, /^dlfs_dataset_read_bytes_total\{namespace="team-1",dataset="dataset-007"\} 7340032000$/m);
    assert.match(text, /^dlfs_dataset_errors_total\{namespace="team-2",dataset="dataset-005",code="timeout"\} 3$/m);
    assert.match(text, /^dlfs_datasets\{phase="Ready"\} 8$/m);
  });

  test('have a zero for every error that reading may meet, so that the first one is an increase', async () => {
    const text = await exposition(sampleNode(1));
    for (const code of ['access-denied', 'unauthenticated', 'gone', 'throttled', 'timeout', 'corrupt', 'disk-full']) {
      assert.match(
        text,
        new RegExp(`^dlfs_dataset_errors_total\\{namespace="",dataset="dataset-000",code="${code}"\\} 0$`, 'm'),
      );
    }
  });

  test('have as many series as datasets times a constant', async () => {
    const series = async (datasets: number): Promise<number> =>
      (await exposition(sampleNode(datasets))).split('\n').filter((line) => line !== '' && !line.startsWith('#'))
        .length;
    const [ten, twenty, forty] = [await series(10), await series(20), await series(40)];
    assert.ok(forty - twenty < 2.2 * (twenty - ten), `${ten}, ${twenty}, ${forty}`);
    assert.ok((forty - twenty) / 20 < 100, 'fewer than a hundred series a dataset');
  });
});

describe('the server of metrics', () => {
  const get = async (port: number, path: string, method = 'GET'): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${port}${path}`, { method });
    return [response.status, await response.text()];
  };

  test('tells metrics, life and readiness, and changes nothing', async () => {
    let reasons: string[] = [];
    await using server = await MetricsServer.open(
      '127.0.0.1:0',
      { metrics: () => exposition(sampleNode(1)), notReady: () => reasons },
      SILENT_LOGGER,
    );
    assert.equal((await get(server.port, '/metrics'))[0], 200);
    assert.deepEqual(await get(server.port, '/livez'), [200, 'ok\n']);
    assert.deepEqual(await get(server.port, '/readyz'), [200, 'ok\n']);
    reasons = ['a: its origin does not answer'];
    assert.deepEqual(await get(server.port, '/readyz'), [503, 'a: its origin does not answer\n']);
    assert.equal((await get(server.port, '/other'))[0], 404);
    assert.equal((await get(server.port, '/metrics', 'POST'))[0], 405);
  });

  for (const address of ['nonsense', '127.0.0.1', '127.0.0.1:99999', 'http://x:1', '::1:80']) {
    test(`refuses the address "${address}"`, async () => {
      const source = { metrics: () => Promise.resolve(''), notReady: () => [] };
      await assert.rejects(MetricsServer.open(address, source, SILENT_LOGGER), { code: 'invalid-argument' });
    });
  }

  test('names an address that is taken', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const { port } = other.address() as AddressInfo;
    const source = { metrics: () => Promise.resolve(''), notReady: () => [] };
    await assert.rejects(MetricsServer.open(`127.0.0.1:${port}`, source, SILENT_LOGGER), {
      code: 'invalid-argument',
      message: /in use/,
    });
    other.close();
    await once(other, 'close');
  });
});
