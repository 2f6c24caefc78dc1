/** Credentials and the clock: from where the SDK finds them to the signature of a GET, with their ends and refusals met for real. */
import assert from 'node:assert/strict';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, test } from 'node:test';
import {
  BytesContent,
  Faults,
  fullReadPolicy,
  ObjectStore,
  S3Endpoint,
  storedObject,
  type Credential,
  type EndpointOptions,
} from '../../../demo/endpoint/index.ts';
import { parseSourceOptions, type NamedKeys } from '../../../src/dataset/source-options.ts';
import { BARE_ENVIRONMENT, environmentOf, failedReply, listAll, openSource, send } from './set-up.ts';

const policy = fullReadPolicy;
const OLD: Credential = { accessKeyId: 'AKOLD', secretAccessKey: 'OLDSECRET', sessionToken: 'OLDTOKEN', policy };
const NEW: Credential = { accessKeyId: 'AKNEW', secretAccessKey: 'NEWSECRET', sessionToken: 'NEWTOKEN', policy };

const faults = new Faults();
let resources: AsyncDisposableStack;
let folder = '';

beforeEach(() => {
  resources = new AsyncDisposableStack();
  faults.clear();
  folder = mkdtempSync(join(tmpdir(), 'dlfs-keys-'));
  resources.defer(() => rmSync(folder, { recursive: true }));
});
afterEach(() => resources.disposeAsync());

async function serve(credentials: readonly Credential[], more: Partial<EndpointOptions> = {}): Promise<S3Endpoint> {
  const objects = new ObjectStore([storedObject('k', new BytesContent(Buffer.from('0123456789')))]);
  return resources.use(await S3Endpoint.start({ buckets: { data: { objects } }, credentials, faults, ...more }));
}

/** Writes a shared credentials file. @returns the environment that names it */
function sharedFile({ accessKeyId, secretAccessKey, sessionToken = '' }: Credential): Record<string, string> {
  const path = join(folder, 'credentials');
  writeFileSync(
    path,
    `[team]\naws_access_key_id=${accessKeyId}\naws_secret_access_key=${secretAccessKey}\naws_session_token=${sessionToken}\n`,
    { mode: 0o600 },
  );
  return { ...BARE_ENVIRONMENT, AWS_SHARED_CREDENTIALS_FILE: path };
}

/** Makes a profile whose keys come from a script. @returns the environment that names it */
function processProfile(script: string): Record<string, string> {
  const program = join(folder, 'keys.sh');
  writeFileSync(program, `#!/bin/sh\n${script}\n`);
  chmodSync(program, 0o700);
  const config = join(folder, 'config');
  writeFileSync(config, `[profile team]\ncredential_process = ${program} --password HUNTER2\n`);
  return { ...BARE_ENVIRONMENT, AWS_CONFIG_FILE: config };
}

const answerOf = ({ accessKeyId, secretAccessKey, sessionToken }: Credential, expiration: string): string =>
  `printf '{"Version":1,"AccessKeyId":"${accessKeyId}","SecretAccessKey":"${secretAccessKey}","SessionToken":"${sessionToken ?? ''}","Expiration":"%s"}' "${expiration}"`;

const noSecrets = (lines: readonly string[]): void => assert.doesNotMatch(lines.join('\n'), /SECRET|TOKEN|HUNTER2/);

test('keys that a program prints are used by both paths', async () => {
  const endpoint = await serve([NEW]);
  const environment = processProfile(answerOf(NEW, '$(date -u -d "+1 hour" +%Y-%m-%dT%H:%M:%SZ)'));
  await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url, profile: 'team' }, environment);
  await opened.source.ready();
  assert.deepEqual((await listAll(opened.source, '', null)).keys, ['k']);
  assert.equal((await send(opened.source, opened.source.get('k', '', 2, 3))).body.toString(), '234');
  noSecrets(opened.log);
});

test('keys close to their end are not signed with, and ready() brings others', async () => {
  const endpoint = await serve([OLD, NEW]);
  const first = join(folder, 'first');
  writeFileSync(first, '');
  const environment = processProfile(
    `if [ -e ${first} ]; then rm ${first}; ${answerOf(OLD, '$(date -u -d "+5 seconds" +%Y-%m-%dT%H:%M:%SZ)')}; else ${answerOf(NEW, '$(date -u -d "+1 hour" +%Y-%m-%dT%H:%M:%SZ)')}; fi`,
  );
  await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url, profile: 'team' }, environment);
  const { source } = opened;
  assert.throws(() => source.get('k', '', 0, 1), { code: 'unauthenticated', retryable: true });
  await source.ready();
  assert.throws(() => source.get('k', '', 0, 1), { code: 'unauthenticated', retryable: true });
  await source.ready();
  assert.match(Buffer.from(source.get('k', '', 0, 1).head).toString('latin1'), /Credential=AKNEW\//);
});

describe('a program that gives no keys', () => {
  const scripts: readonly (readonly [string, string, RegExp])[] = [
    ['because it fails', 'echo OLDSECRET >&2; exit 1', /credential_process of profile team failed/],
    ['because it prints nonsense', 'echo OLDSECRET', /credential_process of profile team/],
    ['because it hangs', 'while [ -e "$0" ]; do sleep 0.02; done', /profile team.*nothing within 300ms/],
  ];
  for (const [what, script, message] of scripts) {
    test(`${what} is blamed without what it printed or how it was called`, async () => {
      const endpoint = await serve([NEW]);
      const environment = processProfile(script);
      await using opened = await openSource(
        { source: 's3://data', endpoint: endpoint.url, profile: 'team' },
        environment,
        {
          ...(what.includes('hangs') ? { credentialsDeadlineMs: 300 } : {}),
        },
      );
      for (const attempt of [() => opened.source.ready(), () => opened.source.probe()]) {
        await assert.rejects(attempt, (error: unknown) => {
          const { code, message: said } = error as { code: string; message: string };
          assert.ok(code === 'unauthenticated' || code === 'timeout', said);
          assert.match(said, message);
          noSecrets([said, JSON.stringify(error)]);
          return true;
        });
      }
      noSecrets(opened.log);
    });
  }
});

test('keys replaced in the shared file are found after the old ones are refused, in a GET', async () => {
  const endpoint = await serve([NEW]);
  const environment = sharedFile(OLD);
  await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url, profile: 'team' }, environment);
  const { source } = opened;
  await source.ready();
  const refused = await send(source, source.get('k', '', 0, 1));
  assert.equal(refused.status, 403);
  sharedFile(NEW);
  const failure = source.failure('k', failedReply(refused));
  assert.deepEqual([failure.code, failure.retryable, failure.key], ['unauthenticated', true, 'k']);
  assert.throws(() => source.get('k', '', 0, 1), { code: 'unauthenticated', retryable: true });
  await source.ready();
  assert.equal((await send(source, source.get('k', '', 0, 1))).status, 206);
  noSecrets(opened.log);
});

test('keys replaced in the shared file are found after the old ones are refused, in a listing', async () => {
  const endpoint = await serve([OLD, NEW]);
  await using opened = await openSource(
    { source: 's3://data', endpoint: endpoint.url, profile: 'team' },
    sharedFile(OLD),
  );
  await listAll(opened.source, '', null);
  sharedFile(NEW);
  faults.inject(
    { kind: 'list', when: ({ headers }) => headers.authorization?.includes('AKOLD') === true },
    { type: 'error', status: 400, code: 'ExpiredToken' },
  );
  assert.deepEqual((await listAll(opened.source, '', null)).keys, ['k']);
  // What the lister found serves the GETs too.
  assert.match(Buffer.from(opened.source.get('k', '', 0, 1).head).toString('latin1'), /Credential=AKNEW\//);
});

test('keys that are refused and have no successor are worth one renewal, not one a read', async () => {
  const endpoint = await serve([OLD]);
  await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url }, environmentOf(OLD));
  const { source } = opened;
  await source.ready();
  faults.inject({}, { type: 'error', status: 400, code: 'ExpiredToken' });
  const refused = failedReply(await send(source, source.get('k', '', 0, 1)));
  assert.equal(source.failure('k', refused).retryable, true);
  await source.ready();
  // The renewal that the refusal began settles with the same keys.
  await source.refreshCredentials();
  const again = source.failure('k', refused);
  assert.deepEqual([again.code, again.retryable], ['unauthenticated', false]);
  assert.match(again.message, /expired.*renew/);
  await assert.rejects(listAll(source, '', null), { code: 'unauthenticated', retryable: false });
});

for (const hours of [1, -1]) {
  describe(`an origin whose clock is ${Math.abs(hours)} h ${hours > 0 ? 'ahead' : 'behind'}`, () => {
    const now = (): number => Date.now() + hours * 3_600_000;
    const warnings = (log: readonly string[]): number => log.filter((line) => line.includes('"level":"warn"')).length;

    test('is understood by a listing first, and by the GETs through it', async () => {
      const endpoint = await serve([NEW], { now });
      await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url }, environmentOf(NEW));
      const { source } = opened;
      await source.ready();
      assert.deepEqual((await listAll(source, '', null)).keys, ['k']);
      assert.equal((await send(source, source.get('k', '', 0, 1))).status, 206);
      assert.equal(warnings(opened.log), 1);
    });

    test('is understood by a GET first, and by the listings through it', async () => {
      const endpoint = await serve([NEW], { now });
      await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url }, environmentOf(NEW));
      const { source } = opened;
      await source.ready();
      const refused = failedReply(await send(source, source.get('k', '', 0, 1)));
      const failure = source.failure('k', refused);
      assert.deepEqual([failure.code, failure.retryable], ['unauthenticated', true]);
      assert.equal((await send(source, source.get('k', '', 0, 1))).status, 206);
      // Another one that was signed before the correction may try again too.
      assert.equal(source.failure('k', refused).retryable, true);
      endpoint.resetCounters();
      await listAll(source, '', null);
      assert.equal(endpoint.counters().list.errors, 0);
      assert.equal(warnings(opened.log), 1);
    });
  });
}

test('a refusal for the clock from an origin whose date is ours is not worth another try', async () => {
  const endpoint = await serve([NEW]);
  await using opened = await openSource({ source: 's3://data', endpoint: endpoint.url }, environmentOf(NEW));
  await opened.source.ready();
  faults.inject({}, { type: 'error', status: 403, code: 'RequestTimeTooSkewed' });
  const failure = opened.source.failure('k', failedReply(await send(opened.source, opened.source.get('k', '', 0, 1))));
  assert.deepEqual([failure.code, failure.retryable], ['unauthenticated', false]);
});

describe('keys that a manifest names', () => {
  /** Opens a source with them, in an environment that has other, right keys: they are never used. */
  async function openNamed(
    keys: NamedKeys,
    more: Readonly<Record<string, string>> = {},
  ): ReturnType<typeof openSource> {
    const endpoint = await serve([OLD, NEW]);
    const input = { source: 's3://data', endpoint: endpoint.url };
    const source = { ...parseSourceOptions(input), keys };
    return resources.use(await openSource(input, environmentOf(OLD, more), { source }));
  }

  test('come from a section of a credentials file, and from the file anew when it is replaced', async () => {
    const path = sharedFile({ ...OLD, secretAccessKey: 'OUTDATED' })['AWS_SHARED_CREDENTIALS_FILE'] ?? '';
    const { source, log } = await openNamed({ kind: 'file', path, profile: 'team' });
    await source.ready();
    await assert.rejects(listAll(source, '', null), { code: 'unauthenticated', message: /credentials \[team\]/ });
    sharedFile(NEW);
    await source.refreshCredentials();
    assert.deepEqual((await listAll(source, '', null)).keys, ['k']);
    assert.equal((await send(source, source.get('k', '', 0, 1))).status, 206);
    noSecrets(log);
  });

  test('are never replaced by others: a file without them is an error that names it', async () => {
    const missing = join(folder, 'missing');
    const { source } = await openNamed({ kind: 'file', path: missing, profile: 'default' });
    await assert.rejects(source.ready(), {
      code: 'unauthenticated',
      message: `no keys from ${missing} [default]: the file does not exist`,
    });
    const path = sharedFile(NEW)['AWS_SHARED_CREDENTIALS_FILE'] ?? '';
    const other = await openNamed({ kind: 'file', path, profile: 'other' });
    await assert.rejects(other.source.ready(), {
      code: 'unauthenticated',
      message: `no keys from ${path} [other]: there is no such section, or no keys in it`,
    });
  });

  test('come from variables of those names, and an unset one is an error that names it', async () => {
    const keys = {
      kind: 'environment',
      accessKeyId: 'MY_ID',
      secretAccessKey: 'MY_KEY',
      sessionToken: 'MY_TOKEN',
    } as const;
    const { source } = await openNamed(keys, { MY_ID: 'AKNEW', MY_KEY: 'NEWSECRET', MY_TOKEN: 'NEWTOKEN' });
    await source.ready();
    assert.deepEqual((await listAll(source, '', null)).keys, ['k']);
    const without = await openNamed(keys, { MY_ID: 'AKNEW', MY_TOKEN: 'x' });
    await assert.rejects(without.source.ready(), {
      code: 'unauthenticated',
      message: 'no keys from the environment: the variable MY_KEY is not set',
    });
  });
});
