/**
 * `make bench`: measures dlfs, the local disk and its peers, and says which of the targets are met.
 *
 *   ONLY="hot cold-big"    only scenarios whose names start so
 *   QUICK=1                one round each: whether everything runs, not how fast
 *   ROUNDS=9               so many rounds each
 *   LANES="dlfs ext4"      only these of the compared
 *
 * Results: bench/out/SCENARIO.json, bench/out/table.txt, docs/figures.svg (of a full measurement of all that it shows).
 *
 * Invariants:
 * 1. Exit status 0: all that was asked for was measured, whether or not targets are met; 1: something failed.
 * 2. Whatever happens, Ctrl-C included, mounts and processes are ended and the disk's readahead is put back.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { Lab } from './lab/lab.ts';
import { FIGURES, OUT } from './lab/places.ts';
import { READ_AHEAD_KB } from './lab/readahead.ts';
import { renderFigures } from './measure/figures.ts';
import { describeMachine, type Machine } from './measure/machine.ts';
import { readResults, renderRun, writeResult, writeTable, type ScenarioResult } from './measure/results.ts';
import { measureRounds } from './measure/rounds.ts';
import { evaluate, OURS } from './measure/row.ts';
import type { Scenario } from './measure/scenario.ts';
import { formatNumber } from './measure/table.ts';
import { SCENARIOS } from './scenarios/index.ts';

const ROOT = resolve(import.meta.dirname, '..');

const words = (name: string): string[] => (process.env[name] ?? '').split(/[\s,]+/).filter(Boolean);

/** What the environment asks for. */
function readPlan(): {
  scenarios: readonly Scenario[];
  lanes: readonly string[];
  quick: boolean;
  rounds: number | null;
} {
  const only = words('ONLY');
  const scenarios = SCENARIOS.filter(({ name }) => only.length === 0 || only.some((word) => name.startsWith(word)));
  if (scenarios.length === 0) throw new Error(`ONLY names none of: ${SCENARIOS.map(({ name }) => name).join(', ')}`);
  const quick = !['', '0'].includes(process.env['QUICK'] ?? '');
  const rounds = Number(process.env['ROUNDS'] ?? (quick ? 1 : 0));
  if (!Number.isInteger(rounds) || rounds < 0) throw new Error('write ROUNDS as a whole number');
  return { scenarios, lanes: words('LANES'), quick, rounds: rounds === 0 ? null : rounds };
}

async function runScenario(
  scenario: Scenario,
  lab: Lab,
  plan: { readonly lanes: readonly string[]; readonly quick: boolean; readonly rounds: number | null },
  machine: Machine,
  signal: AbortSignal,
): Promise<ScenarioResult> {
  const { name, title, steps, rows, notes } = scenario;
  const started = new Date();
  const begin = performance.now();
  const rounds = plan.rounds ?? scenario.rounds;
  lab.say(`${name}: ${title}`);
  await using stack = new AsyncDisposableStack();
  const wanted = scenario.lanes.filter((lane) => plan.lanes.length === 0 || plan.lanes.includes(lane));
  const lanes = await scenario.prepare(lab, wanted, stack);
  const { rounds: measured, failures } = await measureRounds(
    lanes,
    steps,
    rounds,
    signal,
    (lane, step, round, metrics) => {
      const values = Object.entries(metrics).map(([metric, value]) => `${metric} ${formatNumber(value)}`);
      lab.say(`  ${round + 1}/${rounds} ${step === name ? '' : `${step} `}${lane}: ${values.join(', ')}`);
    },
  );
  for (const { lane, message } of failures) lab.say(`  FAILED: ${lane}: ${message}`);
  const openMode = lanes.find((lane) => lane.name === OURS)?.openMode() ?? null;
  return {
    ...{
      scenario: name,
      title,
      started: started.toISOString(),
      quick: rounds < scenario.rounds,
      rounds,
      machine,
      notes,
      failures,
      measured,
    },
    seconds: (performance.now() - begin) / 1000,
    rows: rows.map((row) => evaluate(row, measured, openMode)),
  };
}

/** A result for a scenario that could not even start. */
function failed(scenario: Scenario, error: unknown, machine: Machine): ScenarioResult {
  const { name, title, rows, notes } = scenario;
  return {
    ...{
      scenario: name,
      title,
      started: new Date().toISOString(),
      quick: true,
      rounds: 0,
      seconds: 0,
      machine,
      notes,
      measured: [],
    },
    failures: [{ lane: 'all', message: error instanceof Error ? error.message : String(error) }],
    rows: rows.map((row) => evaluate(row, [], null)),
  };
}

async function main(): Promise<void> {
  const plan = readPlan();
  process.env['PATH'] = `${join(ROOT, '.tools', 'bin')}:${process.env['PATH'] ?? ''}`;
  execFileSync('sh', [join(ROOT, 'scripts', 'install-bench-tools.sh')], { stdio: ['ignore', 'inherit', 'inherit'] });
  mkdirSync(OUT, { recursive: true });
  const interrupt = new AbortController();
  const interrupted = (): boolean => interrupt.signal.aborted;
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.on(name, () => {
      // The second time: at once; what listens to 'exit' still ends servers and puts knobs back.
      if (interrupted()) process.exit(130);
      process.stderr.write(`${name}: cleaning up ...\n`);
      interrupt.abort(new Error(`ended by ${name}`));
    });
  }
  const say = (line: string): void => {
    process.stderr.write(`${line}\n`);
  };
  const machine = describeMachine(OUT, READ_AHEAD_KB);
  const results: ScenarioResult[] = [];
  await using lab = await Lab.open(interrupt.signal, say);
  for (const scenario of plan.scenarios) {
    if (interrupted()) break;
    let result: ScenarioResult;
    try {
      result = await runScenario(scenario, lab, plan, machine, interrupt.signal);
      writeResult(OUT, result);
    } catch (error) {
      if (interrupted()) break;
      result = failed(scenario, error, machine);
      say(`  FAILED: ${result.failures[0]?.message ?? ''}`);
    }
    results.push(result);
  }
  const table = renderRun(results);
  if (results.length > 0) writeTable(OUT, table);
  process.stdout.write(`\n${table}`);
  if (interrupt.signal.aborted || results.some(({ failures }) => failures.length > 0)) process.exitCode = 1;
  const figures = renderFigures(readResults(OUT).filter(({ quick }) => !quick));
  if (figures !== null) writeFileSync(FIGURES, figures);
}

try {
  await main();
} catch (error) {
  process.stderr.write(`bench: ${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
}
