/**
 * `dlfs apply -f FILE`: makes what a manifest says so.
 *
 * Invariants:
 * 1. Every manifest of every file is checked before the first is applied: a mistake in the last changes nothing.
 */
import { createReadStream } from 'node:fs';
import { readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { DlfsError } from '../../base/errors.ts';
import {
  describeProblem,
  fullName,
  MAX_TEXT,
  readManifests,
  type Manifest,
  type ManifestProblem,
  type PlacedManifest,
} from '../../dataset/manifest/index.ts';
import type { Context } from '../context.ts';
import { nodeTarget, type TargetOptions } from '../target.ts';

/** What the options say. */
export interface ApplyOptions extends TargetOptions {
  /** Files, folders, or `-` for standard input. */
  readonly filename: readonly string[];
  readonly dryRun?: true;
}

/** A manifest of a folder has one of these endings. */
const MANIFEST_NAME = /\.(ya?ml|json)$/;

/** See the file's header. @throws DlfsError `invalid-argument` with all problems' first, `conflict`, as the daemon says */
export async function applyManifests(options: ApplyOptions, context: Context): Promise<void> {
  // All of them first: one that contradicts -n changes nothing, either.
  const wanted = (await readAll(options.filename)).map(({ manifest }) => inNamespace(manifest, options.namespace));
  const client = nodeTarget(options, context);
  const { dryRun = false } = options;
  for (const { name, body } of wanted) {
    const { result, changes } = await client.call('apply', { query: { dryRun: dryRun ? 'true' : 'false' }, body });
    const what = changes.map(({ field, effect }) => (effect === 'live' ? field : `${field}: ${EFFECTS[effect]}`));
    const detail = what.length === 0 ? '' : ` (${what.join('; ')})`;
    context.output.line(`${name} ${result}${dryRun ? ' (dry run)' : ''}${detail}`);
  }
}

const EFFECTS = { reconnect: 'connected anew', remount: 'mounted anew', generation: 'a new generation' } as const;

/** `-n` gives a namespace to what has none, and contradicts nobody. @throws DlfsError `invalid-argument` */
function inNamespace(
  { name, namespace, written, fullName: given }: Manifest<'node'>,
  wanted: string | undefined,
): { readonly name: string; readonly body: Record<string, unknown> } {
  const body = written as unknown as Record<string, unknown>;
  if (wanted === undefined || namespace === wanted) return { name: given, body };
  if (namespace !== null) {
    throw new DlfsError(
      'invalid-argument',
      `the manifest of ${name} is in namespace ${namespace}, and -n says ${wanted}`,
    );
  }
  return {
    name: fullName({ namespace: wanted, name }),
    body: { ...body, metadata: { ...(body['metadata'] as object), namespace: wanted } },
  };
}

async function readAll(names: readonly string[]): Promise<PlacedManifest<'node'>[]> {
  const manifests: PlacedManifest<'node'>[] = [];
  const problems: { readonly file: string; readonly problem: ManifestProblem }[] = [];
  for (const file of await filesOf(names)) {
    const found = await readManifests(await textOf(file), 'node');
    manifests.push(...found.manifests);
    problems.push(...found.problems.map((problem) => ({ file, problem })));
  }
  const [first] = problems;
  if (first !== undefined) {
    const more = problems.length === 1 ? '' : `; and ${problems.length - 1} more, nothing was applied`;
    throw new DlfsError('invalid-argument', `${describeProblem(first.problem, first.file)}${more}`);
  }
  if (manifests.length === 0) throw new DlfsError('invalid-argument', `no manifests in ${names.join(', ')}`);
  return manifests;
}

/** Files, with those of folders in the order of their names. */
async function filesOf(names: readonly string[]): Promise<string[]> {
  const files: string[] = [];
  for (const name of names) {
    if (name === '-' || !(await isFolder(name))) files.push(name);
    else {
      const entries = (await readdir(name)).filter((entry) => MANIFEST_NAME.test(entry)).sort();
      files.push(...entries.map((entry) => join(name, entry)));
    }
  }
  return files;
}

async function isFolder(name: string): Promise<boolean> {
  try {
    return (await stat(name)).isDirectory();
  } catch (thrown) {
    const { code } = DlfsError.from(thrown);
    if (code === 'not-found') throw new DlfsError('invalid-argument', `there is no file ${name}`);
    throw thrown;
  }
}

/** @throws DlfsError `invalid-argument` for a text that is too long */
async function textOf(file: string): Promise<string> {
  const stream: Readable = file === '-' ? process.stdin : createReadStream(file);
  const pieces: Buffer[] = [];
  let length = 0;
  for await (const piece of stream as AsyncIterable<Buffer>) {
    pieces.push(piece);
    length += piece.length;
    if (length > MAX_TEXT) {
      stream.destroy();
      throw new DlfsError('invalid-argument', `${file} is longer than ${MAX_TEXT} bytes: split it`);
    }
  }
  return Buffer.concat(pieces).toString('utf8');
}
