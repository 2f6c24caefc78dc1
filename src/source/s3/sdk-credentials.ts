/**
 * Loads keys from where the options say: by the SDK's own credential chain (profile, environment, SSO, web identity,
 * credential_process, container, instance), from a credentials file that is named, or from variables that are named.
 *
 * Each load is a new one that ignores the SDK's cache of configuration files, so that keys replaced in a file are found. Its
 * requests (STS, SSO) go through the carrier: the same proxies, trust and limits as the listings.
 *
 * Invariants:
 * 1. Every failure is a DlfsError `unauthenticated` that says where keys were looked for, or `timeout`.
 * 2. What a credential_process printed, or how it was called, never reaches a message: either may hold the secret.
 * 3. Where a file or variables are named, nothing else is asked: a broken file never becomes the instance's role.
 */
import { access, constants } from 'node:fs/promises';
import type { S3ClientConfig } from '@aws-sdk/client-s3';
import { fromIni } from '@aws-sdk/credential-provider-ini';
import { defaultProvider, type DefaultProviderInit } from '@aws-sdk/credential-provider-node';
import type { Clock } from '../../base/clock.ts';
import { formatDuration } from '../../base/duration.ts';
import { DlfsError } from '../../base/errors.ts';
import type { NamedKeys, SourceOptions } from '../../dataset/source-options.ts';
import { SOURCE_WORDS, type SourceWords } from '../../dataset/source-words.ts';
import type { HttpCarrier } from './http-carrier.ts';
import type { HeldCredentials } from './messages.ts';
import type { Environment } from './proxy.ts';

/** What the chain says when no link of it had anything. */
const NOTHING_FOUND =
  /could not load credentials from any providers|metadata service access disabled|could not be loaded from|ECONNREFUSED|EHOSTUNREACH|TimeoutError/i;

/** Reasons of a chain that are kept: it has eight links, some of which try several things. */
const MAX_REASONS = 32;

/** Which keys are meant. */
export type KeySelection = Pick<SourceOptions, 'profile' | 'keys' | 'written'>;

/** What a load needs. */
export interface SdkCredentialsOptions {
  readonly source: KeySelection;
  readonly region: string;
  readonly carrier: HttpCarrier;
  readonly environment: Environment;
  readonly clock: Pick<Clock, 'startTimer'>;
  /** Milliseconds: a credential_process may hang. */
  readonly deadlineMs: number;
  /** Takes the SDK's own warnings. */
  readonly warn: (message: string) => void;
}

/**
 * Where keys come from, for messages.
 * @returns for example `profile x`
 */
export function keysFrom({ profile, keys }: Omit<KeySelection, 'written'>, environment: Environment): string {
  if (keys !== null) {
    return keys.kind === 'file' ? `${keys.path} [${keys.profile}]` : `the environment (${keys.accessKeyId})`;
  }
  const named = profile ?? environment['AWS_PROFILE'] ?? '';
  if (named !== '') return `profile ${named}`;
  return (environment['AWS_ACCESS_KEY_ID'] ?? '') === ''
    ? 'the default profile or the instance'
    : 'the environment (AWS_ACCESS_KEY_ID)';
}

/**
 * Loads keys once.
 * @throws DlfsError as the file's header says
 */
export async function loadCredentials(options: SdkCredentialsOptions): Promise<HeldCredentials> {
  const { clock, deadlineMs, environment, source } = options;
  if (source.keys?.kind === 'environment') return fromVariables(source.keys, environment);
  const where = keysFrom(source, environment);
  const { promise, resolve, reject } = Promise.withResolvers<AwsCredentialIdentity>();
  using _late = clock.startTimer(deadlineMs, () => {
    reject(new DlfsError('timeout', `nothing within ${formatDuration(deadlineMs)}`));
  });
  // Each link of the chain says why it had nothing; what comes out in the end is only the last one's word.
  const reasons: string[] = [];
  const run =
    source.keys === null ? defaultProvider(chainInit(options, reasons)) : fileProvider(source.keys, options, reasons);
  run().then(resolve, reject);
  try {
    const found = await promise;
    return {
      accessKeyId: found.accessKeyId,
      secretAccessKey: found.secretAccessKey,
      sessionToken: found.sessionToken ?? null,
      expiresMs: found.expiration?.getTime() ?? null,
    };
  } catch (thrown) {
    throw explained(thrown, reasons, where, SOURCE_WORDS[source.written]);
  }
}

function fromVariables(keys: NamedKeys & { kind: 'environment' }, environment: Environment): HeldCredentials {
  const valueOf = (name: string): string => {
    const value = environment[name] ?? '';
    if (value !== '') return value;
    throw unauthenticated(`no keys from the environment: the variable ${name} is not set`);
  };
  return {
    accessKeyId: valueOf(keys.accessKeyId),
    secretAccessKey: valueOf(keys.secretAccessKey),
    sessionToken: keys.sessionToken === null ? null : valueOf(keys.sessionToken),
    expiresMs: null,
  };
}

/** The file alone, as credentials and configuration both: roles and programs that its section names are followed. */
function fileProvider(
  { path, profile }: NamedKeys & { kind: 'file' },
  options: SdkCredentialsOptions,
  reasons: string[],
): () => Promise<AwsCredentialIdentity> {
  const provider = fromIni({ ...chainInit(options, reasons), profile, filepath: path, configFilepath: path });
  return async () => {
    // The SDK takes a file that it cannot read for an empty one.
    try {
      await access(path, constants.R_OK);
    } catch (cause) {
      const { code } = DlfsError.from(cause);
      throw unauthenticated(`the file ${code === 'not-found' ? 'does not exist' : 'cannot be read'}`);
    }
    return provider();
  };
}

/** What the chain gives. */
type AwsCredentialIdentity = Awaited<ReturnType<ReturnType<typeof defaultProvider>>>;

function chainInit(options: SdkCredentialsOptions, reasons: string[]): DefaultProviderInit {
  const requestHandler = options.carrier as unknown as NonNullable<S3ClientConfig['requestHandler']>;
  const quiet = (): void => undefined;
  const logger = {
    debug: (...words: unknown[]) => {
      if (reasons.length < MAX_REASONS) reasons.push(words.map(String).join(' '));
    },
    info: quiet,
    trace: quiet,
    error: quiet,
    warn: (...words: unknown[]) => options.warn(words.map(String).join(' ')),
  };
  const profile = options.source.profile === null ? {} : { profile: options.source.profile };
  const init = {
    ...profile,
    ignoreCache: true,
    logger,
    parentClientConfig: { ...profile, region: options.region, requestHandler, logger },
  };
  return init;
}

function explained(thrown: unknown, reasons: readonly string[], where: string, words: SourceWords): DlfsError {
  if (thrown instanceof DlfsError) {
    const code = thrown.code === 'timeout' ? 'timeout' : 'unauthenticated';
    return new DlfsError(code, `no keys from ${where}: ${thrown.message}`, { retryable: thrown.retryable });
  }
  const said = thrown instanceof Error ? (thrown.message.split('\n', 1)[0] ?? '') : '';
  const any = (pattern: RegExp): boolean => pattern.test(said) || reasons.some((reason) => pattern.test(reason));
  // Invariant 2: these messages repeat the command line and what it wrote.
  if (any(/command failed/i)) return unauthenticated(`the credential_process of ${where} failed: run it by hand`);
  if (any(/credential_process (?:returned|did not return)/i)) {
    return unauthenticated(`the credential_process of ${where} printed no valid answer: run it by hand`);
  }
  if (/could not resolve credentials using profile/i.test(said)) {
    return unauthenticated(`no keys from ${where}: there is no such section, or no keys in it`);
  }
  if (NOTHING_FOUND.test(said)) {
    return unauthenticated(
      `no keys were found (${where}): set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, use ${words.keys}, or ${words.anonymous} for a public bucket`,
    );
  }
  return unauthenticated(`no keys from ${where}: ${said.slice(0, 200)}`);
}

/** Without its cause: Node's errors of a process carry its output (invariant 2). */
function unauthenticated(message: string): DlfsError {
  return new DlfsError('unauthenticated', message);
}
