/**
 * The fetch spike: undici in a worker thread against the native fetcher, with curl as the floor, all in one run against an
 * nginx of its own. usage: node run.ts WORK_DIR ROUNDS   (WORK_DIR on the disk to be measured; needs nginx, openssl, curl, g++)
 */

import { execFileSync, spawn } from 'node:child_process';
import { randomFillSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { dirname, join, resolve } from 'node:path';
import type { Order, Outcome } from './workload.ts';
import { RANGE_BYTES, rangeOf, SMALL_BYTES, SMALL_FILES } from './workload.ts';

const BIG_BYTES = 1024 ** 3;
const SMALL_COUNT = 20_000;

const work = resolve(process.argv[2] ?? 'work');
const rounds = Number(process.argv[3] ?? '3');
const here = import.meta.dirname;
const addon = join(work, 'fetch_spike.node');
const output = join(work, 'ranges.out');

async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address() as AddressInfo;
  await new Promise((done) => server.close(done));
  return port;
}

function makeData(root: string): void {
  mkdirSync(join(root, 'small'), { recursive: true });
  for (let i = 0; i < SMALL_FILES; i++) {
    const path = join(root, 'small', String(i));
    if (!existsSync(path)) writeFileSync(path, randomFillSync(Buffer.alloc(SMALL_BYTES)));
  }
  const big = join(root, 'big');
  if (!existsSync(big)) {
    for (let at = 0; at < BIG_BYTES; at += RANGE_BYTES)
      writeFileSync(big, randomFillSync(Buffer.alloc(RANGE_BYTES)), { flag: 'a' });
  }
}

function makeCertificate(): void {
  if (existsSync(join(work, 'cert.pem'))) return;
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1'];
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', join(work, 'key.pem')];
  execFileSync('openssl', ['req', '-x509', ...key, '-out', join(work, 'cert.pem'), '-days', '30', ...subject], {
    stdio: 'ignore',
  });
}

async function startOrigin(root: string): Promise<{ plain: number; tls: number; stop: () => Promise<void> }> {
  const plain = await freePort();
  const tls = await freePort();
  const config = join(work, 'nginx.conf');
  writeFileSync(
    config,
    `daemon off; worker_processes 1; pid ${work}/nginx.pid; error_log ${work}/error.log; events { worker_connections 1024; }
http { access_log off; sendfile on; tcp_nopush on; tcp_nodelay on; keepalive_requests 10000000; client_body_temp_path ${work}/t1; proxy_temp_path ${work}/t2;
fastcgi_temp_path ${work}/t3; uwsgi_temp_path ${work}/t4; scgi_temp_path ${work}/t5; root ${root};
server { listen 127.0.0.1:${String(plain)}; }
server { listen 127.0.0.1:${String(tls)} ssl; ssl_certificate ${work}/cert.pem; ssl_certificate_key ${work}/key.pem; ssl_protocols TLSv1.2 TLSv1.3; } }`,
  );
  const nginx = spawn('nginx', ['-p', work, '-c', config], { stdio: 'inherit' });
  const ended = new Promise<void>((done) =>
    nginx.once('exit', () => {
      done();
    }),
  );
  for (;;) {
    try {
      execFileSync('curl', ['-s', '-o', '/dev/null', `http://127.0.0.1:${String(plain)}/small/0`]);
      break;
    } catch {
      if (nginx.exitCode !== null) throw new Error('nginx did not start');
    }
  }
  return {
    plain,
    tls,
    stop: async () => {
      nginx.kill('SIGTERM');
      await ended;
    },
  };
}

function runClient(order: Order): Outcome {
  if (order.file !== null) rmSync(order.file, { force: true });
  const printed = execFileSync(process.execPath, [join(here, 'client.ts'), JSON.stringify(order)], {
    encoding: 'utf8',
  });
  if (order.file !== null && rounds < 2) execFileSync('cmp', [order.file, join(work, 'root', 'big')]);
  return JSON.parse(printed) as Outcome;
}

/** The whole process counts for curl; its start is a few ms. */
function runCurl(order: Order): Outcome {
  const list = join(work, 'curl.cfg');
  const base = `${order.ca === null ? 'http' : 'https'}://localhost:${String(order.port)}`;
  const entries = Array.from({ length: order.count }, (_, n) => {
    const range = rangeOf(order, n);
    return `url = "${base}${range.target}"\nrange = ${String(range.offset)}-${String(range.offset + range.length - 1)}\noutput = "/dev/null"\ncacert = "${work}/cert.pem"\nnoproxy = "*"\nsilent\n`;
  });
  writeFileSync(list, entries.join('next\n'));
  const parallel = String(order.inFlight);
  const script = 'TIMEFORMAT="%R %U %S"; time curl --http1.1 -Z --parallel-immediate --parallel-max "$1" -K "$2"';
  const printed = execFileSync('bash', ['-c', `{ ${script}; } 2>&1`, 'curl', parallel, list], { encoding: 'utf8' });
  const [seconds = 0, user = 0, system = 0] = (printed.trim().split('\n').at(-1) ?? '').split(' ').map(Number);
  return { seconds, cpuSeconds: user + system, bytes: order.count * rangeOf(order, 0).length };
}

const median = (values: number[]): number =>
  values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN;
const spread = (values: number[], digits: number): string =>
  `${median(values).toFixed(digits)} (${Math.min(...values).toFixed(digits)}–${Math.max(...values).toFixed(digits)})`;

mkdirSync(work, { recursive: true });
const root = join(work, 'root');
makeData(root);
makeCertificate();
execFileSync(join(here, 'build.sh'), [join(dirname(dirname(process.execPath)), 'include', 'node'), addon], {
  stdio: 'inherit',
});
const origin = await startOrigin(root);
const outcomes = new Map<string, Outcome[]>();
try {
  const ca = readFileSync(join(work, 'cert.pem'), 'utf8');
  for (let round = 0; round < rounds; round++) {
    for (const tls of [false, true]) {
      const common = { addon, port: tls ? origin.tls : origin.plain, ca: tls ? ca : null };
      const wire = tls ? 'TLS' : 'plain';
      const small = { ...common, kind: 'small', file: null, count: SMALL_COUNT, inFlight: 64 } as const;
      const ranges = { ...common, kind: 'ranges', file: null, count: BIG_BYTES / RANGE_BYTES, inFlight: 8 } as const;
      const rows: [string, () => Outcome][] = [];
      for (const [name, order] of [
        [`small ${wire}`, small],
        [`ranges→file ${wire}`, { ...ranges, file: output }],
        [`ranges→nowhere ${wire}`, ranges],
      ] as const) {
        rows.push([`${name} | native, 1 thread`, () => runClient({ ...order, client: 'native', threads: 1 })]);
        rows.push([`${name} | native, 2 threads`, () => runClient({ ...order, client: 'native', threads: 2 })]);
        rows.push([`${name} | undici in a worker`, () => runClient({ ...order, client: 'undici', threads: 1 })]);
        if (order.file === null)
          rows.push([`${name} | curl`, () => runCurl({ ...order, client: 'native', threads: 1 })]);
      }
      for (const [name, run] of rows) {
        const outcome = run();
        outcomes.set(name, [...(outcomes.get(name) ?? []), outcome]);
        console.error(`${name}: ${outcome.seconds.toFixed(2)} s, CPU ${outcome.cpuSeconds.toFixed(2)} s`);
      }
    }
  }
} finally {
  await origin.stop();
  rmSync(output, { force: true });
}

console.log('| what | client | rate | CPU |\n|---|---|---|---|');
for (const [name, list] of outcomes) {
  const [what = '', client = ''] = name.split(' | ');
  if (what.startsWith('small')) {
    const rate = list.map((o) => o.bytes / SMALL_BYTES / o.seconds);
    const cpu = list.map((o) => (o.cpuSeconds * 1000 * SMALL_BYTES) / o.bytes);
    console.log(`| ${what} | ${client} | ${spread(rate, 0)} requests/s | ${spread(cpu, 3)} ms/request |`);
  } else {
    const rate = list.map((o) => o.bytes / 1e6 / o.seconds);
    const cpu = list.map((o) => (o.cpuSeconds * 1e9) / o.bytes);
    console.log(`| ${what} | ${client} | ${spread(rate, 0)} MB/s | ${spread(cpu, 2)} s/GB |`);
  }
}
