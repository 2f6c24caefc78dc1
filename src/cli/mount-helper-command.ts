/**
 * Runs what mount(8) asks its helper for.
 */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import { DlfsError } from '../base/errors.ts';
import { unmount } from '../daemon/registry/unmount.ts';
import { loadUnmount } from './native.ts';
import type { Context } from './context.ts';
import { announcement, mountInBackground } from './mount-command.ts';
import { MOUNT_EXIT, parseHelperArguments, type HelperRequest } from './mount-helper.ts';
import { parseMountOptions } from './mount-options.ts';

/**
 * Mounts as mount(8) wants it.
 * @param args the helper's arguments
 * @returns an exit code of mount(8)
 */
export async function mountHelper(args: readonly string[], context: Context): Promise<number> {
  let request: HelperRequest;
  try {
    request = parseHelperArguments(args);
    parseMountOptions(request.source, request.given);
  } catch (thrown) {
    return complain(thrown, MOUNT_EXIT.usage);
  }
  try {
    if (request.verbose && request.ignored.length > 0)
      context.output.line(`mount.dlfs: ignored: ${request.ignored.join(', ')}`);
    if (request.fake) return MOUNT_EXIT.ok;
    const mounted = await mountInBackground(request, context);
    if (request.noexec) await forbidExecution(mounted.dir, context);
    if (request.verbose) context.output.line(`mount.dlfs: ${announcement(mounted)}`);
    return MOUNT_EXIT.ok;
  } catch (thrown) {
    return complain(thrown, MOUNT_EXIT.failure);
  }
}

function complain(thrown: unknown, code: number): number {
  process.stderr.write(`mount.dlfs: ${DlfsError.from(thrown).describe()}\n`);
  return code;
}

/** The flag of the mount, not of the file system: mount(8) itself sets it on what is mounted already. */
async function forbidExecution(dir: string, { registry, clock }: Context): Promise<void> {
  try {
    await promisify(execFile)('mount', ['-i', '-o', 'remount,bind,ro,nosuid,nodev,noexec', dir]);
  } catch (error) {
    await unmount(dir, true, { registry, clock, unmount: await loadUnmount() });
    throw new DlfsError('privilege', `noexec could not be set on ${dir}, so it is not mounted`, { cause: error });
  }
}
