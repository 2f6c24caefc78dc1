/**
 * Results as files: JSON for each scenario, and the table of a run.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machineLines, type Machine } from './machine.ts';
import type { LaneFailure } from './rounds.ts';
import type { Round, Row } from './row.ts';
import { renderTable } from './table.ts';

/** What one scenario gave. */
export interface ScenarioResult {
  readonly scenario: string;
  readonly title: string;
  /** ISO 8601. */
  readonly started: string;
  /** Fewer rounds than a full run: a look, not a result. */
  readonly quick: boolean;
  readonly rounds: number;
  readonly seconds: number;
  readonly machine: Machine;
  readonly rows: readonly Row[];
  readonly notes: readonly string[];
  readonly failures: readonly LaneFailure[];
  /** All single measurements. */
  readonly measured: readonly Round[];
}

/** Writes a scenario's result, replacing an older one. */
export function writeResult(folder: string, result: ScenarioResult): void {
  write(join(folder, `${result.scenario}.json`), `${JSON.stringify(result, null, 2)}\n`);
}

/** Results of all scenarios that are there, of this run or older. */
export function readResults(folder: string): ScenarioResult[] {
  return readdirSync(folder)
    .filter((name) => name.endsWith('.json'))
    .map((name) => JSON.parse(readFileSync(join(folder, name), 'utf8')) as ScenarioResult);
}

/** The table of a run as text. */
export function renderRun(results: readonly ScenarioResult[]): string {
  const [first] = results;
  if (first === undefined) return 'nothing was measured\n';
  const rows = results.flatMap((result) => result.rows);
  const count = (verdict: Row['verdict']): number => rows.filter((row) => row.verdict === verdict).length;
  const lines = [
    `measured ${first.started}${results.some(({ quick }) => quick) ? ', QUICK: fewer rounds, a look and not a result' : ''}`,
    ...machineLines(first.machine),
    'medians of the rounds; value: median of the ratios within each round, or the figure itself; [lowest..highest round]',
  ];
  const notes = results.flatMap((result) => [
    `${result.scenario}: ${result.rounds} round${result.rounds === 1 ? '' : 's'}, ${result.seconds.toFixed(0)} s; ${result.notes.join('; ')}`,
    ...result.failures.map(({ lane, message }) => `${result.scenario}: FAILED: ${lane}: ${message}`),
  ]);
  const sum = `${count('met')} met, ${count('missed')} missed, ${count('reported')} reported, ${count('not measured')} not measured`;
  return [...lines, '', renderTable(rows), ...notes, '', sum, ''].join('\n');
}

/** Writes the table of a run. */
export function writeTable(folder: string, text: string): void {
  write(join(folder, 'table.txt'), text);
}

function write(path: string, text: string): void {
  mkdirSync(join(path, '..'), { recursive: true });
  writeFileSync(`${path}.new`, text);
  renameSync(`${path}.new`, path);
}
