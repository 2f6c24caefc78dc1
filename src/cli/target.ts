/**
 * Whom a command speaks to, and about which dataset.
 *
 * NAME is a dataset's name (its namespace by -n, or NAMESPACE/NAME), or a directory: a mount of `dlfs mount`, or one of the
 * daemon's. The process is found by --socket, DLFS_SOCKET, the record of the mount at that directory, or the daemon's usual place.
 *
 * Invariants:
 * 1. A name never is taken for a directory: a directory has a slash in front or a dot, or is the record of a mount.
 */
import { resolve } from 'node:path';
import { DlfsError } from '../base/errors.ts';
import { ApiClient } from '../daemon/api/client/api-client.ts';
import { fullName, paramsOf, type DatasetRef } from '../daemon/api/contract/names.ts';
import { daemonSocket, mountSocket } from '../daemon/api/place.ts';
import { readMounts } from '../daemon/mountinfo.ts';
import { resolvePath } from '../daemon/registry/resolve-path.ts';
import type { Context } from './context.ts';

/** What the options say. */
export interface TargetOptions {
  readonly socket?: string;
  readonly namespace?: string;
}

/** One dataset of a process. */
export interface DatasetTarget {
  readonly client: ApiClient;
  readonly ref: DatasetRef;
  /** Path parameters of the endpoints that concern it. */
  readonly params: ReturnType<typeof paramsOf>;
}

/** The process that a command without a dataset speaks to. */
export function nodeTarget({ socket }: TargetOptions, context: Context): ApiClient {
  const given = socket ?? context.environment['DLFS_SOCKET'];
  return new ApiClient(
    given === undefined || given === '' ? daemonSocket(context.environment, context.uid) : resolve(given),
  );
}

/**
 * The process and dataset that a NAME means.
 * @throws DlfsError `not-a-mount` for a directory that nobody serves, `invalid-argument` for what is no name, `no-daemon`
 */
export async function datasetTarget(name: string, options: TargetOptions, context: Context): Promise<DatasetTarget> {
  if (looksLikeDirectory(name)) return await directoryTarget(resolvePath(name, readMounts()).path, options, context);
  const ref = refFrom(name, options.namespace ?? null);
  return { client: nodeTarget(options, context), ref, params: paramsOf(ref) };
}

/** @throws DlfsError `invalid-argument` */
function refFrom(text: string, namespace: string | null): DatasetRef {
  const [first = '', second, ...more] = text.split('/');
  if (more.length > 0 || first === '' || second === '') {
    throw new DlfsError(
      'invalid-argument',
      `not the name of a dataset: "${text}"; write NAME, NAMESPACE/NAME, or a directory`,
    );
  }
  if (second === undefined) return { namespace, name: first };
  if (namespace !== null && namespace !== first) {
    throw new DlfsError(
      'invalid-argument',
      `"${text}" is in namespace ${first}, and -n says ${namespace}: write one of them`,
    );
  }
  return { namespace: first, name: second };
}

function looksLikeDirectory(name: string): boolean {
  return name.startsWith('/') || name === '.' || name === '..' || name.startsWith('./') || name.startsWith('../');
}

async function directoryTarget(dir: string, options: TargetOptions, context: Context): Promise<DatasetTarget> {
  const { environment, uid, registry } = context;
  const record = options.socket === undefined ? registry.find(dir) : null;
  const ofMount = record !== null && !record.daemon;
  const client = ofMount ? new ApiClient(mountSocket(environment, uid, dir)) : nodeTarget(options, context);
  const { datasets } = await client.call('listDatasets', {});
  const found = datasets.find(({ directory }) => directory === dir);
  if (found === undefined) {
    const names = datasets.slice(0, 5).map(({ directory }) => directory);
    const seen = names.length === 0 ? 'it serves nothing' : `it serves ${names.join(', ')}`;
    throw new DlfsError('not-a-mount', `nobody serves ${dir}: ${seen}`);
  }
  return { client, ref: found, params: paramsOf(found) };
}

/** For messages. */
export function nameOf(target: DatasetTarget): string {
  return fullName(target.ref);
}
