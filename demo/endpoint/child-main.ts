/**
 * The program of an EndpointProcess's child: one endpoint, steered over the IPC channel.
 *
 * Invariants:
 * 1. Secrets come by the channel, not by arguments or the environment.
 * 2. The child lives no longer than the channel: a parent that is killed takes it along.
 * 3. Ctrl-C in the terminal reaches the whole process group; the child ignores it, because its parent still needs an
 *    origin while it cleans up.
 */

import type { ChildOptions, FromChild, ToChild } from './child-protocol.ts';
import { VirtualContent, pattern } from './content.ts';
import { S3Endpoint } from './endpoint.ts';
import { folderObjects } from './folder.ts';
import { ObjectStore, storedObject } from './object-store.ts';
import { readPolicy } from './policy.ts';

function tell(message: FromChild): void {
  process.send?.(message);
}

async function serve(options: ChildOptions): Promise<S3Endpoint> {
  const objects =
    options.folder === null
      ? []
      : await folderObjects(options.folder, {
          ...(options.md5UpTo === undefined ? {} : { md5UpTo: options.md5UpTo }),
          onProgress: (count) => {
            tell({ type: 'progress', objects: count });
          },
        });
  for (const { key, size, seed } of options.virtualObjects ?? []) {
    objects.push(storedObject(key, new VirtualContent(size, pattern(seed))));
  }
  const { accessKeyId, secretAccessKey } = options;
  const endpoint = await S3Endpoint.start({
    buckets: { [options.bucket]: { objects: new ObjectStore(objects) } },
    credentials: [{ accessKeyId, secretAccessKey, policy: readPolicy(options.prefix) }],
    ...(options.region === undefined ? {} : { region: options.region }),
    ...(options.tls === undefined ? {} : { tls: options.tls }),
  });
  tell({ type: 'ready', url: endpoint.url, objects: objects.length });
  return endpoint;
}

function main(): void {
  let endpoint: S3Endpoint | null = null;
  const end = async (): Promise<void> => {
    await endpoint?.[Symbol.asyncDispose]();
    process.exit(0);
  };
  process.on('SIGINT', () => undefined);
  process.on('disconnect', () => void end());
  process.on('message', (message: ToChild) => {
    switch (message.type) {
      case 'start':
        serve(message.options).then(
          (started) => {
            endpoint = started;
          },
          (error: unknown) => {
            tell({ type: 'failed', message: error instanceof Error ? error.message : String(error) });
          },
        );
        return;
      case 'counters':
      case 'reset':
        if (endpoint === null) return;
        tell({ type: 'counters', values: endpoint.counters() });
        if (message.type === 'reset') endpoint.resetCounters();
        return;
      case 'stop':
        void end();
    }
  });
}

main();
