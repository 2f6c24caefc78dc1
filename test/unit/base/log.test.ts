/** Log lines: levels by module, one JSON line each, no secret, never a throw. */
import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DlfsError } from '../../../src/base/errors.ts';
import { createLogger, parseLogLevels, SILENT_LOGGER, type LogOptions } from '../../../src/base/log.ts';
import { ManualClock } from '../../../src/base/manual-clock.ts';

/** A logger whose lines are kept. */
function logged(options: Pick<LogOptions, 'level' | 'modules'>): {
  readonly logger: ReturnType<typeof createLogger>;
  readonly lines: () => Record<string, unknown>[];
  readonly raw: string[];
} {
  const raw: string[] = [];
  const clock = new ManualClock(Date.UTC(2025, 5, 1));
  const logger = createLogger({ ...options, clock, sink: { write: (line) => raw.push(line) } });
  return { logger, raw, lines: () => raw.map((line) => JSON.parse(line) as Record<string, unknown>) };
}

describe('createLogger', () => {
  test('writes one JSON line with level, time, module, fields and message', () => {
    const { logger, lines, raw } = logged({ level: 'info' });
    logger.child('cache', { dataset: 'a/b' }).child('index').info('opened\nquickly', { blocks: 3 });
    assert.deepEqual(lines(), [
      {
        level: 'info',
        time: '2025-06-01T00:00:00.000Z',
        module: 'cache.index',
        dataset: 'a/b',
        blocks: 3,
        msg: 'opened quickly',
      },
    ]);
    assert.match(raw[0]!, /^[^\n]+\n$/);
  });

  test('keeps silent below the level', () => {
    const { logger, lines } = logged({ level: 'warn' });
    for (const level of ['trace', 'debug', 'info', 'warn', 'error'] as const) logger[level](level);
    assert.deepEqual(
      lines().map((line) => line['level']),
      ['warn', 'error'],
    );
    assert.deepEqual([logger.enabled('info'), logger.enabled('warn')], [false, true]);
  });

  test('takes the level of the longest named prefix of a module', () => {
    const { logger } = logged({ level: 'warn', modules: { source: 'debug', 'source.s3.list': 'silent' } });
    const enabled = (module: string): boolean => logger.child(module).enabled('debug');
    assert.deepEqual(['source', 'source.s3', 'sourcery', 'cache'].map(enabled), [true, true, false, false]);
    const list = logger.child('source').child('s3').child('list');
    assert.equal(list.enabled('error'), false);
  });

  test('writes no secret, in the message or in a field of any depth', () => {
    const { logger, raw } = logged({ level: 'trace' });
    const cause = new Error('Authorization: AWS4-HMAC-SHA256 Credential=AKIA/x, Signature=feedbeef');
    logger.error('GET http://u:pa55@h/ failed', {
      err: new DlfsError('protocol', 'x', { cause, key: 'k' }),
      config: { secretAccessKey: 'pa55' },
    });
    assert.equal(raw.length, 1);
    assert.doesNotMatch(raw[0]!, /pa55|feedbeef|AKIA/);
    assert.match(raw[0]!, /"code":"protocol"/);
    assert.match(raw[0]!, /"key":"k"/);
  });

  test('never throws, whatever the fields or the sink do', () => {
    const { logger, raw } = logged({ level: 'trace' });
    const cycle: Record<string, unknown> = { big: 1n };
    cycle['self'] = cycle;
    logger.info('cycle', cycle);
    assert.equal(raw.length, 1);
    const failing = createLogger({
      level: 'info',
      clock: new ManualClock(),
      sink: {
        write: () => {
          throw new Error('disk full');
        },
      },
    });
    failing.info('x');
  });

  test('the silent logger writes nothing, nor do its children', () => {
    assert.equal(SILENT_LOGGER.child('x').enabled('error'), false);
    SILENT_LOGGER.child('x').error('nothing');
  });
});

describe('parseLogLevels', () => {
  test('reads a level for all and levels by module', () => {
    assert.deepEqual(parseLogLevels('warn, cache=debug,source.s3=trace'), {
      level: 'warn',
      modules: { cache: 'debug', 'source.s3': 'trace' },
    });
    assert.deepEqual(parseLogLevels('cache=debug'), { level: 'info', modules: { cache: 'debug' } });
  });

  for (const text of ['', 'loud', 'cache=', '=debug', 'cache=debug=x,']) {
    test(`refuses "${text}"`, () => {
      assert.throws(
        () => parseLogLevels(text),
        (error) => error instanceof DlfsError && error.code === 'invalid-argument',
      );
    });
  }
});
