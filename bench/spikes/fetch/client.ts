/**
 * One client process of the fetch spike: does its order, prints its outcome as JSON.
 * The native client is driven from this thread, request by request, as the daemon would; undici runs in a worker thread.
 */

import { open, writev } from 'node:fs';
import { createRequire } from 'node:module';
import { promisify } from 'node:util';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { Pool } from 'undici';
import type { Order, Outcome, Range } from './workload.ts';
import { measure } from './workload.ts';

interface Addon {
  open(
    ip: string,
    port: number,
    serverName: string,
    ca: string,
    threads: number,
    bufferSize: number,
    file: string,
    onDone: () => void,
  ): object;
  submit(handle: object, id: number, head: Uint8Array, offset: number, length: number): void;
  take(handle: object): (number | string)[];
  close(handle: object): void;
}

const rangeHeader = (range: Range): string =>
  `bytes=${String(range.offset)}-${String(range.offset + range.length - 1)}`;

async function native(order: Order): Promise<Outcome> {
  const addon = createRequire(import.meta.url)(order.addon) as Addon;
  const waiting = new Map<number, { resolve: () => void; reject: (error: Error) => void }>();
  const handle = addon.open(
    '127.0.0.1',
    order.port,
    'localhost',
    order.ca ?? '',
    order.threads,
    8 * 1024 * 1024,
    order.file ?? '',
    () => {
      const done = addon.take(handle);
      for (let i = 0; i < done.length; i += 2) {
        const id = done[i] as number;
        const text = done[i + 1] as string;
        const waiter = waiting.get(id);
        waiting.delete(id);
        if (text === '') waiter?.resolve();
        else waiter?.reject(new Error(text));
      }
    },
  );
  let ids = 0;
  const outcome = await measure(order, (range) => {
    const id = ids++;
    const head = Buffer.from(
      `GET ${range.target} HTTP/1.1\r\nHost: localhost\r\nRange: ${rangeHeader(range)}\r\n\r\n`,
      'latin1',
    );
    addon.submit(handle, id, head, range.offset, range.length);
    return new Promise((resolve, reject) => waiting.set(id, { resolve, reject }));
  });
  addon.close(handle);
  return outcome;
}

async function undici(order: Order): Promise<Outcome> {
  const origin = `${order.ca === null ? 'http' : 'https'}://localhost:${String(order.port)}`;
  const pool = new Pool(origin, {
    connections: order.inFlight,
    pipelining: 1,
    connect: order.ca === null ? {} : { ca: order.ca },
  });
  const fd = order.file === null ? null : await promisify(open)(order.file, 'w', 0o600);
  const outcome = await measure(
    order,
    (range) =>
      new Promise((resolve, reject) => {
        const chunks: Buffer[] = [];
        let received = 0;
        pool.dispatch(
          { path: range.target, method: 'GET', headers: { range: rangeHeader(range) } },
          {
            onRequestStart: () => undefined,
            onResponseStart: (_controller, status) => {
              if (status !== 206) reject(new Error(`status ${String(status)}`));
            },
            onResponseData: (_controller, chunk) => {
              chunks.push(chunk);
              received += chunk.length;
            },
            onResponseEnd: () => {
              if (received !== range.length) reject(new Error('short'));
              else if (fd === null) resolve();
              else
                writev(fd, chunks, range.offset, (error, written) => {
                  if (error !== null || written !== range.length) reject(error ?? new Error('short write'));
                  else resolve();
                });
            },
            onResponseError: (_controller, error) => {
              reject(error);
            },
          },
        );
      }),
  );
  await pool.close();
  return outcome;
}

if (isMainThread) {
  const order = JSON.parse(process.argv[2] ?? '') as Order;
  if (order.client === 'native') {
    console.log(JSON.stringify(await native(order)));
  } else {
    const worker = new Worker(new URL(import.meta.url), { workerData: order });
    worker.on('message', (outcome: Outcome) => {
      console.log(JSON.stringify(outcome));
    });
    worker.on('error', (error) => {
      throw error;
    });
  }
} else {
  parentPort?.postMessage(await undici(workerData as Order));
}
