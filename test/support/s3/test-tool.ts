/**
 * Where the servers are that scripts/build-test-tools.sh builds: $DLFS_TOOLS/bin, or .tools/bin of this checkout.
 */

import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const CHECKOUT = fileURLToPath(new URL('../../..', import.meta.url));

/**
 * The path of a built tool.
 * @throws where it is not built, naming the way out: a test that needs it fails, it does not skip
 */
export function testTool(name: 'versitygw' | 'toxiproxy-server'): string {
  const path = join(process.env['DLFS_TOOLS'] ?? join(CHECKOUT, '.tools'), 'bin', name);
  try {
    accessSync(path, constants.X_OK);
  } catch (cause) {
    throw new Error(`${name} is not built (${path}); build it with scripts/build-test-tools.sh`, { cause });
  }
  return path;
}
