/**
 * One benchmark at a time on a checkout: two would remove each other's mounts and measure each other.
 *
 * A socket in the kernel's abstract name space: it is gone when its process is, however that ends.
 */
import { once } from 'node:events';
import { createServer } from 'node:net';
import { OUT } from './places.ts';

/**
 * Takes the lock until disposal.
 * @throws Error where another process has it
 */
export async function lockBench(): Promise<AsyncDisposable> {
  const server = createServer();
  server.listen({ path: `\0dlfs-bench:${OUT}` });
  try {
    await once(server, 'listening');
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw cause;
    throw new Error('another `make bench` of this checkout is running', { cause });
  }
  return server;
}
