/**
 * Where the sockets of the API lie when nobody says otherwise.
 */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { registryFolder } from '../registry/mount-registry.ts';

/** The daemon's: /run/dlfs/daemon.sock for root. */
export function daemonSocket(environment: Readonly<Record<string, string | undefined>>, uid: number): string {
  return join(registryFolder(environment, uid), 'daemon.sock');
}

/** That of a mount: beside its record, named by a hash of its directory, since the kernel takes 107 characters. */
export function mountSocket(
  environment: Readonly<Record<string, string | undefined>>,
  uid: number,
  dir: string,
): string {
  const name = createHash('sha256').update(dir).digest('hex').slice(0, 16);
  return join(registryFolder(environment, uid), `${name}.sock`);
}
