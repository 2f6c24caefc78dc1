import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { width } from '../../../src/cli/format/cells.ts';
import { writeTable, type TableColumn } from '../../../src/cli/format/documents.ts';

type Row = readonly [name: string, state: string, directory: string, message: string];

const ROWS: readonly Row[] = [
  ['photos', 'Ready', '/datasets/photos', 'served'],
  [
    'vision-research/imagenet-2012',
    'Failed',
    '/datasets/vision-research/imagenet-2012-resized',
    'the origin does not answer: it is asked again with growing pauses',
  ],
];

const COLUMNS: readonly TableColumn<Row>[] = [
  { title: 'NAME', shrinks: 'last', cell: ([name]) => name },
  { title: 'STATE', cell: ([, state]) => state },
  { title: 'DIRECTORY', shrinks: 'first', cell: ([, , directory]) => directory },
];

function drawn(columns: readonly TableColumn<Row>[], format: 'table' | 'wide', size: number | null): string[] {
  const lines: string[] = [];
  writeTable(columns, ROWS, format, {
    line: (text) => lines.push(text),
    write: () => undefined,
    terminal: size !== null,
    colour: false,
    size: () => ({ columns: size ?? 80, rows: 24 }),
    gone: new AbortController().signal,
    progress: null,
  });
  return lines;
}

describe('a table', () => {
  for (const columns of [50, 60, 80]) {
    test(`fits into ${columns} columns: what matters least is cut, in its middle`, () => {
      const lines = drawn(COLUMNS, 'table', columns);
      for (const line of lines) assert.ok(width(line.trimEnd()) <= columns, line);
      assert.match(lines[2] ?? '', /Failed +\/.*…/);
    });
  }

  test('cuts names only where nothing else can give', () => {
    assert.match(drawn(COLUMNS, 'table', 60)[2] ?? '', /^vision-research\/imagenet-2012 /);
    assert.match(drawn(COLUMNS, 'table', 45)[2] ?? '', /^vision.*….* Failed/);
  });

  test('is whole for programs, for a wide terminal, and where wide is asked for', () => {
    for (const lines of [drawn(COLUMNS, 'table', null), drawn(COLUMNS, 'table', 200), drawn(COLUMNS, 'wide', 40)]) {
      assert.match(
        lines[2] ?? '',
        /^vision-research\/imagenet-2012 +Failed +\/datasets\/vision-research\/imagenet-2012-resized$/,
      );
    }
  });

  test('folds a long last column under itself', () => {
    const lines = drawn(
      [...COLUMNS.slice(0, 2), { title: 'MESSAGE', folds: true, cell: (row) => row[3] }],
      'table',
      70,
    );
    for (const line of lines) assert.ok(width(line) <= 70, line);
    const at = (lines[0] ?? '').indexOf('MESSAGE');
    assert.equal((lines[3] ?? '').slice(0, at).trim(), '');
    assert.match(
      lines.slice(2).join(' ').replace(/ +/g, ' '),
      /the origin does not answer: it is asked again with growing pauses/,
    );
  });
});
