/** DlfsError and its tables. */
import assert from 'node:assert/strict';
import { connect as connectTcp, createServer, type AddressInfo } from 'node:net';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { constants } from 'node:os';
import { describe, test } from 'node:test';
import { inspect } from 'node:util';
import fc from 'fast-check';
import { DlfsError, type ErrorCode } from '../../../src/base/errors.ts';
import { ERROR_CODES, isErrorCode } from '../../../src/base/errors/code.ts';
import { ERRNO_OF, errnoOf } from '../../../src/base/errors/errno.ts';
import { EXIT, EXIT_CODE_OF } from '../../../src/base/errors/exit.ts';
import { GRPC_STATUS_OF } from '../../../src/base/errors/grpc.ts';
import { codeOfForeign } from '../../../src/base/errors/foreign.ts';

const CODES = Object.keys(ERROR_CODES) as ErrorCode[];

function thrownBy(action: () => unknown): unknown {
  try {
    action();
  } catch (error) {
    return error;
  }
  assert.fail('nothing was thrown');
}

describe('the error tables', () => {
  test('errno: a superseded or changed version is ESTALE, a refused key EACCES, a broken way to the bytes EIO', () => {
    assert.equal(errnoOf('gone'), constants.errno.ESTALE);
    assert.equal(errnoOf('changed-at-origin'), constants.errno.ESTALE);
    assert.equal(errnoOf('access-denied'), constants.errno.EACCES);
    assert.equal(errnoOf('timeout'), constants.errno.EIO);
    assert.equal(errnoOf('not-found'), 2);
  });

  test('errno: every number is positive, none is ENOSYS or EAGAIN, and EINTR answers only an interruption', () => {
    for (const code of CODES) {
      assert.ok(errnoOf(code) > 0, code);
      assert.ok(!['ENOSYS', 'EAGAIN', 'ERESTART'].includes(ERRNO_OF[code]), code);
      assert.equal(ERRNO_OF[code] === 'EINTR', code === 'interrupted');
    }
  });

  test('exit: no failure exits with 0, only a fault of ours with 1, and each class of the header is in use', () => {
    for (const code of CODES) {
      assert.notEqual(EXIT_CODE_OF[code], EXIT.ok, code);
      assert.equal(EXIT_CODE_OF[code] === EXIT.internal, code === 'internal', code);
    }
    const used = new Set<number>(Object.values(EXIT_CODE_OF));
    for (const [name, number] of Object.entries(EXIT)) assert.ok(name === 'ok' || used.has(number), name);
  });

  test('exit: the table in the header lists each exit code', () => {
    const source = readFileSync(new URL('../../../src/base/errors/exit.ts', import.meta.url), 'utf8');
    const listed = [...source.matchAll(/^ \* \| (\d+) \|/gm)].map(([, number]) => Number(number));
    assert.deepEqual(
      listed,
      Object.values(EXIT).toSorted((a, b) => a - b),
    );
  });

  test('gRPC: every status is one of 1 to 16 and never UNKNOWN', () => {
    for (const code of CODES) {
      assert.ok(GRPC_STATUS_OF[code] >= 1 && (GRPC_STATUS_OF[code] as number) <= 16, code);
      assert.notEqual(GRPC_STATUS_OF[code], 2, code);
    }
  });

  test('what is retryable is not blamed on the caller', () => {
    for (const code of CODES.filter((one) => ERROR_CODES[one].retryable)) {
      assert.ok(![EXIT.usage, EXIT.access].includes(EXIT_CODE_OF[code] as 2), code);
    }
  });
});

describe('DlfsError', () => {
  test('retryable follows the code unless the error says otherwise', () => {
    assert.equal(new DlfsError('throttled', 'x').retryable, true);
    assert.equal(new DlfsError('access-denied', 'x').retryable, false);
    assert.equal(new DlfsError('throttled', 'x', { retryable: false }).retryable, false);
  });

  test('describe joins dataset, key and message on one line that a terminal cannot obey', () => {
    const error = new DlfsError('not-found', 'no such object', { dataset: 'default/a', key: 'x/\u001b[2J\n.jpg' });
    assert.equal(error.describe(), 'default/a: x/\ufffd[2J\ufffd.jpg: no such object');
    assert.equal(new DlfsError('io', 'first\nsecond').describe(), 'first second');
  });

  test('the message loses secrets', () => {
    const error = new DlfsError('protocol', 'GET https://k:s3cr3t@h/x?X-Amz-Signature=abcdef&X-Amz-Date=1 failed');
    assert.equal(error.message, 'GET https://[redacted]@h/x?X-Amz-Signature=[redacted]&X-Amz-Date=1 failed');
  });

  test('with adds what is unknown, keeps what is known, and returns itself when nothing is added', () => {
    const error = new DlfsError('io', 'x', { key: 'inner', cause: 7, retryable: true });
    const more = error.with({ dataset: 'd', key: 'outer' });
    assert.deepEqual([more.dataset, more.key, more.cause, more.retryable, more.code], ['d', 'inner', 7, true, 'io']);
    assert.equal(more.stack, error.stack);
    assert.equal(more.with({ key: 'z' }), more);
    assert.equal(error.with({}), error);
  });

  test('survives a trip as plain data', () => {
    for (const code of CODES) {
      const error = new DlfsError(code, 'said', { dataset: 'd', key: 'k', retryable: true });
      const back = DlfsError.fromJSON(JSON.parse(JSON.stringify(error)));
      assert.deepEqual(back.toJSON(), error.toJSON());
    }
    assert.equal(DlfsError.fromJSON({ code: 'nonsense', message: 'x' }).code, 'internal');
    assert.equal(DlfsError.fromJSON({ code: 'toString', message: 'x' }).code, 'internal');
    assert.equal(DlfsError.fromJSON(null).code, 'internal');
  });

  test('a code is known by its own name only', () => {
    assert.equal(isErrorCode('gone'), true);
    for (const other of ['constructor', '', 'GONE', 3, null, undefined, {}]) assert.equal(isErrorCode(other), false);
  });
});

describe('DlfsError.from', () => {
  test('returns a DlfsError as it is, with the context it lacked', () => {
    const error = new DlfsError('io', 'x');
    assert.equal(DlfsError.from(error), error);
    assert.equal(DlfsError.from(error, { key: 'k' }).key, 'k');
  });

  test('reads the code of a real file system error and keeps it as the cause', () => {
    const thrown = thrownBy(() => readFileSync('/nonexistent/file'));
    const error = DlfsError.from(thrown, { key: 'k' });
    assert.equal(error.code, 'not-found');
    assert.equal(error.cause, thrown);
    assert.match(error.message, /ENOENT/);
  });

  test('reads a refused connection, through the layers that fetch wraps around it', async () => {
    const server = createServer().listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as AddressInfo;
    server.close();
    await once(server, 'close');
    await assert.rejects(fetch(`http://127.0.0.1:${port}/`), (error) => {
      const read = DlfsError.from(error);
      assert.equal(read.code, 'endpoint-unreachable');
      assert.equal(read.retryable, true);
      return true;
    });
    const socket = connectTcp(port, '127.0.0.1');
    const [error] = (await once(socket, 'error').catch((thrown: unknown) => [thrown])) as [unknown];
    assert.equal(codeOfForeign(error), 'endpoint-unreachable');
  });

  test('reads aborts, timeouts, and the first of an aggregate', () => {
    assert.equal(DlfsError.from(AbortSignal.abort().reason).code, 'interrupted');
    assert.equal(DlfsError.from(new DOMException('late', 'TimeoutError')).code, 'timeout');
    const refused = Object.assign(new Error('refused'), { code: 'ECONNREFUSED' });
    const aggregate = DlfsError.from(new AggregateError([refused, refused]));
    assert.deepEqual([aggregate.code, aggregate.message], ['endpoint-unreachable', 'refused']);
    assert.equal(DlfsError.from({ code: 'CERT_HAS_EXPIRED' }).code, 'tls-untrusted');
    assert.equal(DlfsError.from({ code: 'HPE_INVALID_CONSTANT' }).code, 'protocol');
  });

  test('takes values made to break it', () => {
    const cycle: { cause?: unknown } = {};
    cycle.cause = cycle;
    const throwing = Object.defineProperty({}, 'code', {
      get: () => {
        throw new Error('gotcha');
      },
    });
    const { proxy, revoke } = Proxy.revocable({}, {});
    revoke();
    for (const value of [cycle, throwing, proxy, Object.create(null), Symbol('s'), 10n, undefined, null, () => 1]) {
      assert.equal(DlfsError.from(value).code, 'internal');
    }
  });

  test('is total and idempotent for any value', () => {
    fc.assert(
      fc.property(fc.anything({ withNullPrototype: true, withBigInt: true, withTypedArray: true }), (value) => {
        const error = DlfsError.from(value);
        assert.ok(isErrorCode(error.code));
        assert.equal(typeof error.describe(), 'string');
        assert.ok(!error.message.includes('\n'));
        assert.equal(DlfsError.from(error), error);
        inspect(error);
      }),
    );
  });
});
