/**
 * docs/OPERATIONS.md knows every metric and every alert, and no document shows a command that dlfs does not have.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { test } from 'node:test';
import { processContext } from '../../../src/cli/context.ts';
import { buildProgram } from '../../../src/cli/program.ts';
import { referenceOf } from '../../../src/cli/reference/walk.ts';
import { ALERTS } from '../../../src/daemon/metrics/alerts.ts';
import { METRICS } from '../../../src/daemon/metrics/definitions.ts';

const root = resolve(import.meta.dirname, '../../..');
const operations = readFileSync(join(root, 'docs/OPERATIONS.md'), 'utf8');
const commands = referenceOf(buildProgram('0', processContext(''), () => undefined));

test('the operator’s page says of every metric what it answers', () => {
  const missing = METRICS.filter(({ name }) => !operations.includes(`\`${name}\``)).map(({ name }) => name);
  assert.deepEqual(missing, []);
  const known = new Set(METRICS.map(({ name }) => name));
  const unknown = [...operations.matchAll(/`(dlfs_[a-z_]+)`/g)].map(([, name = '']) => name);
  assert.deepEqual(
    unknown.filter((name) => !known.has(name)),
    [],
  );
});

test('the operator’s page says of every alert what it means and what to do', () => {
  const said = [...operations.matchAll(/^\*\*(Dlfs\w+)\.\*\* .{40}/gm)].map(([, name]) => name);
  assert.deepEqual(
    said,
    ALERTS.map(({ alert }) => alert),
  );
});

for (const file of ['README.md', 'CONTRIBUTING.md', ...globSync('docs/**/*.md', { cwd: root })]) {
  test(`every dlfs command in ${file} exists, with its options`, () => {
    const wrong: string[] = [];
    for (const line of commandLines(readFileSync(join(root, file), 'utf8'))) {
      const words = line.split(/\s+/);
      const command = commands.find(({ name }) => `${words.join(' ')} `.startsWith(`${name} `));
      const known = new Set(command?.options.flatMap(({ flags }) => flags.match(/(?<![\w-])--?[a-z][a-z-]*/g) ?? []));
      const unknown = words.filter((word) => /^--?[a-z]/.test(word) && !known.has(word.split('=', 1)[0] ?? ''));
      if (command === undefined || unknown.length > 0) wrong.push(`${line}: ${unknown.join(' ')}`);
    }
    assert.deepEqual(wrong, []);
  });
}

/** Commands in blocks of code and between backticks: what follows `dlfs` and is a command, comments and brackets taken off. */
function commandLines(text: string): string[] {
  const blocks = [...text.matchAll(/^```\w*\n([\s\S]*?)^```/gm)].flatMap(([, block = '']) => block.split('\n'));
  const spans = [...text.replace(/^```\w*\n[\s\S]*?^```/gm, '').matchAll(/`([^`\n]+)`/g)].map(([, span = '']) => span);
  return [...blocks, ...spans]
    .flatMap((line) => line.replace(/ #.*$/, '').split(/;|\||&&/))
    .map((part) =>
      part
        .replace(/[[\]]/g, '')
        .trim()
        .replace(/^(sudo |bin\/)/, ''),
    )
    .filter((part) => /^dlfs [a-z]+( |$)/.test(part) && !part.startsWith('dlfs COMMAND'));
}
