/**
 * Debian's Prometheus as a child process that scrapes one address, and promtool.
 *
 * Invariants:
 * 1. It listens on loopback, at a port that the kernel chose; everything that it writes lies in a directory of its own.
 * 2. Disposal ends it and removes the directory.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { TempDir } from './files.ts';
import { until, within } from './process.ts';

const run = promisify(execFile);
const START_MS = 30_000;
const STOP_MS = 20_000;
const PROMTOOL_MS = 60_000;

/** One series of a range query: its labels, and the values with their times in seconds. */
export interface Series {
  readonly metric: Readonly<Record<string, string>>;
  readonly values: readonly (readonly [time: number, value: string])[];
}

/** A span of time, in seconds since 1970. */
export interface Span {
  readonly from: number;
  readonly to: number;
  readonly step: number;
}

/** See the file's header. */
export class Prometheus implements AsyncDisposable {
  readonly #temp: TempDir;
  readonly #log: string[] = [];
  readonly #child: ChildProcess;
  readonly #exited: Promise<unknown>;
  #url = '';

  private constructor(temp: TempDir) {
    this.#temp = temp;
    this.#child = spawn(
      'prometheus',
      [
        ...['--config.file', temp.join('prometheus.yaml'), '--storage.tsdb.path', temp.join('data')],
        ...['--web.listen-address', '127.0.0.1:0', '--log.level', 'info'],
      ],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    );
    this.#exited = once(this.#child, 'exit');
  }

  /**
   * Starts it and waits until it scrapes.
   * @param target `HOST:PORT` of a `/metrics`
   * @param every milliseconds between two scrapes
   * @param rules path of a file of rules
   */
  static async start(target: string, every: number, rules: string): Promise<Prometheus> {
    const temp = await TempDir.create('prometheus');
    const config = {
      global: { scrape_interval: `${every}ms`, scrape_timeout: `${every}ms`, evaluation_interval: `${every}ms` },
      rule_files: [rules],
      scrape_configs: [{ job_name: 'dlfs', static_configs: [{ targets: [target] }] }],
    };
    await writeFile(temp.join('prometheus.yaml'), JSON.stringify(config));
    const prometheus = new Prometheus(temp);
    try {
      await prometheus.#listening();
      await until(async () => (await prometheus.instant('up == 1')) > 0, START_MS, `${target} is scraped`);
      return prometheus;
    } catch (error) {
      await prometheus[Symbol.asyncDispose]();
      throw new Error(`${(error as Error).message}\n${prometheus.#log.join('\n')}`, { cause: error });
    }
  }

  /** How many series a query gives now. @throws Error as Prometheus refuses the query */
  async instant(query: string): Promise<number> {
    return ((await this.#ask('query', { query })) as { result: unknown[] }).result.length;
  }

  /** What a query gives over a span. @throws Error as Prometheus refuses the query */
  async range(query: string, { from, to, step }: Span): Promise<Series[]> {
    const span = { start: String(from), end: String(to), step: String(step) };
    return ((await this.#ask('query_range', { query, ...span })) as { result: Series[] }).result;
  }

  /** Values of a label in the series of a selector. */
  async labelValues(label: string, selector: string): Promise<string[]> {
    return (await this.#ask(`label/${label}/values`, { 'match[]': selector })) as string[];
  }

  /** The rules that it evaluates: by name, with their health. */
  async ruleHealth(): Promise<Map<string, string>> {
    const { groups } = (await this.#ask('rules', {})) as {
      groups: readonly { rules: readonly { name: string; health: string; lastError?: string }[] }[];
    };
    return new Map(
      groups.flatMap(({ rules }) => rules.map(({ name, health, lastError = '' }) => [name, `${health}${lastError}`])),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill('SIGTERM');
      await within(this.#exited, STOP_MS, 'Prometheus ends').catch(() => {
        this.#child.kill('SIGKILL');
      });
      await this.#exited;
    }
    await this.#temp[Symbol.asyncDispose]();
  }

  async #listening(): Promise<void> {
    const port = new Promise<string>((resolve, reject) => {
      createInterface({ input: this.#child.stderr! }).on('line', (line) => {
        this.#log.push(line);
        const found = /msg="Listening on" address=127\.0\.0\.1:(\d+)/.exec(line)?.[1];
        if (found !== undefined) resolve(found);
      });
      void this.#exited.then(() => reject(new Error('Prometheus ended')), reject);
    });
    this.#url = `http://127.0.0.1:${await within(port, START_MS, 'Prometheus listens')}`;
    await until(async () => (await fetch(`${this.#url}/-/ready`)).ok, START_MS, 'Prometheus is ready');
  }

  async #ask(path: string, parameters: Readonly<Record<string, string>>): Promise<unknown> {
    const response = await fetch(`${this.#url}/api/v1/${path}?${new URLSearchParams(parameters).toString()}`);
    const body = (await response.json()) as { status: string; data: unknown; error?: string };
    if (body.status !== 'success') throw new Error(`${JSON.stringify(parameters)}: ${body.error ?? response.status}`);
    return body.data;
  }
}

/** Runs promtool. @returns what it prints. @throws Error where it finds fault */
export async function promtool(...args: string[]): Promise<string> {
  try {
    return (await run('promtool', args, { timeout: PROMTOOL_MS })).stdout;
  } catch (error) {
    const { stdout = '', stderr = '' } = error as { stdout?: string; stderr?: string };
    throw new Error(`promtool ${args.join(' ')}:\n${stdout}${stderr}`, { cause: error });
  }
}
