/**
 * The claims of docs/SEMANTICS.md, and the names of the tests that a file holds.
 *
 * A claim is a paragraph that starts with its number in bold, followed by a list of the tests that carry it:
 *
 *     **1.2** Names are bytes.
 *     - `test/posix/table.ts`: every UTF-8 name is found as a file
 *
 * A test's name is the one in its file; where that is made of parts (a template), each part is written as `…`.
 */
import { table, dlfsTable, extremes } from '../posix/table.ts';

/** A test as a claim names it. */
export interface NamedTest {
  /** Path from the repository's root. */
  readonly file: string;
  readonly name: string;
}

/** A claim. */
export interface Claim {
  /** For example `1.2`. */
  readonly number: string;
  readonly text: string;
  readonly tests: readonly NamedTest[];
}

/** Where the rows of the POSIX table are named from. */
export const TABLE_FILE = 'test/posix/table.ts';

/** The names of all rows, also those over other trees than the standard one. */
export const ROWS: ReadonlySet<string> = new Set([table, dlfsTable, extremes].flatMap((rows) => Object.keys(rows)));

/** Reads the claims of the document, in order. */
export function parseClaims(markdown: string): Claim[] {
  const claims: { number: string; text: string; tests: NamedTest[] }[] = [];
  let open = false;
  for (const line of markdown.split('\n')) {
    const start = /^\*\*(\d+\.\d+)\*\* (.+)$/.exec(line);
    const test = /^- `(test\/[^`]+)`: (.+)$/.exec(line);
    if (start !== null) {
      claims.push({ number: start[1] ?? '', text: start[2] ?? '', tests: [] });
      open = true;
    } else if (line.startsWith('#')) open = false;
    else if (test !== null && open) claims.at(-1)?.tests.push({ file: test[1] ?? '', name: test[2] ?? '' });
  }
  return claims;
}

/** A call of test(), it() or t.test() with its name as a literal: the quote, then what is between the quotes. */
const TEST_CALL = /\b(?:test|it)\(\s*(?:'((?:[^'\\\n]|\\.)*)'|"((?:[^"\\\n]|\\.)*)"|`((?:[^`\\]|\\.)*)`)/g;

/** The names of the tests in a file's source; the parts of a template are `…`. */
export function testNames(source: string): Set<string> {
  const names = new Set<string>();
  for (const [, single, double, template] of source.matchAll(TEST_CALL)) {
    const name = single ?? double ?? withoutParts(template ?? '');
    names.add(name.replace(/\\(['"`\\])/g, '$1'));
  }
  return names;
}

/** A template with each `${…}`, nested brackets included, as one `…`. */
function withoutParts(template: string): string {
  let name = '';
  let depth = 0;
  for (let i = 0; i < template.length; i++) {
    const char = template.charAt(i);
    if (depth === 0 && template.startsWith('${', i)) {
      name += '…';
      depth = 1;
      i++;
    } else if (depth === 0) name += char;
    else if (char === '{') depth++;
    else if (char === '}') depth--;
  }
  return name;
}
