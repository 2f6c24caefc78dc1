/**
 * The architecture, enforced: who may import whom, no cycles, every file with a header, of bounded length, every export with a
 * docstring, nothing imported at run time that an installation lacks. First the checks prove that they can fail.
 */
import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { describe, test } from 'node:test';
import { findCycle, parseModule, readModules, type Module } from '../support/source-tree.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** Longer files hold more than one concept: 400 lines and some grace. */
const MAX_LINES = 500;

/** Tables of cases are longer without being harder to read. */
const MAX_TEST_LINES = 650;

/** Each folder of src/ and the others that it may import. */
const LAYERS: Readonly<Record<string, readonly string[]>> = {
  base: [],
  dataset: ['base'],
  native: ['base'],
  source: ['base', 'dataset', 'native'],
  cache: ['base', 'dataset', 'native', 'source'],
  fs: ['base', 'dataset', 'native', 'source', 'cache'],
  k8s: ['base', 'dataset'],
  daemon: ['base', 'dataset', 'native', 'source', 'cache', 'fs', 'k8s'],
  cli: ['base', 'dataset', 'native', 'daemon'],
};

/** Imports of a module that its layer forbids, as words. */
function forbiddenImports({ path, imports }: Pick<Module, 'path' | 'imports'>): string[] {
  const layer = layerOf(path);
  if (layer === null) return [`${path} is in no known folder of src/`];
  const allowed = [layer, ...(LAYERS[layer] ?? [])];
  return imports.filter((to) => !allowed.includes(layerOf(to) ?? '')).map((to) => `${path} imports ${to}`);
}

function layerOf(path: string): string | null {
  const [top, folder, ...rest] = path.split('/');
  return top === 'src' && folder !== undefined && rest.length > 0 && folder in LAYERS ? folder : null;
}

function textOf(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Whether a module's URL is made in place, with an extension that only a checkout has. */
function namesModuleByHand(text: string): boolean {
  return /new URL\(\s*['"`][^'"`]*\.ts\b/.test(text);
}

const product = readModules(ROOT, 'src');
const tooling = ['bench', 'demo', 'scripts', 'test'].flatMap((folder) => readModules(ROOT, folder));
const native = globSync('native/src/**/*.{cc,h}', { cwd: ROOT }).sort();

describe('the checks themselves', () => {
  test('see imports of every form, and packages only where they are needed at run time', () => {
    const module = parseModule(
      'src/fs/a.ts',
      `import { x } from '../base/x.ts'; import type { T } from './t.ts'; export { y } from '../../test/y.ts';
       import type { P } from 'typed'; import { q } from '@scope/name/deep'; import fs from 'node:fs';
       const z = await import('./z.ts'); type U = import('./u.ts').U;`,
    );
    assert.deepEqual(
      module.imports.toSorted(),
      ['src/base/x.ts', 'src/fs/t.ts', 'src/fs/u.ts', 'src/fs/z.ts', 'test/y.ts'].toSorted(),
    );
    assert.deepEqual(module.packages, ['@scope/name']);
  });

  test('tell a header from the docstring of the first export', () => {
    const header = (text: string): boolean => parseModule('a.ts', text).header;
    assert.equal(header(`/** What it is. */\nimport 'x';`), true);
    assert.equal(header(`#!/usr/bin/env node\n/** What it is. */\nimport 'x';`), true);
    assert.equal(header(`/** What it is. */\n\n/** Doc. */\nexport const a = 1;`), true);
    assert.equal(header(`/** Doc. */\nexport const a = 1;`), false);
    assert.equal(header(`// note\nimport 'x';`), false);
    assert.equal(header(`import 'x';\n/** late */`), false);
  });

  test('name exports without a docstring', () => {
    const { undocumented } = parseModule(
      'a.ts',
      `export const a = 1, b = 2;
       /** Doc. */
       export const c = 1;
       export function f() {}
       /** Doc. */
       export class D {}
       // no docstring
       export interface E {}
       const hidden = 1;
       export { hidden };
       export type { X } from './x.ts';`,
    );
    assert.deepEqual(undocumented, ['a', 'b', 'f', 'E']);
  });

  test('find a cycle, and none where there is none', () => {
    const graph = (edges: Record<string, string[]>): string[] | null => findCycle(new Map(Object.entries(edges)));
    assert.deepEqual(graph({ a: ['b'], b: ['c', 'd'], c: [], d: ['b'] }), ['b', 'd', 'b']);
    assert.deepEqual(graph({ a: ['a'] }), ['a', 'a']);
    assert.equal(graph({ a: ['b', 'c'], b: ['d'], c: ['d'], d: [] }), null);
  });

  test('see a module that is started by a URL with an extension of its own', () => {
    assert.equal(namesModuleByHand("new Worker(new URL('./thread.ts', import.meta.url))"), true);
    assert.equal(namesModuleByHand("new Worker(moduleUrl('./thread.ts', import.meta.url))"), false);
  });

  test('refuse an import upwards, sideways, and out of src/', () => {
    const from = (path: string, to: string): number => forbiddenImports({ path, imports: [to] }).length;
    assert.equal(from('src/base/a.ts', 'src/dataset/b.ts'), 1);
    assert.equal(from('src/k8s/a.ts', 'src/cache/b.ts'), 1);
    assert.equal(from('src/cli/a.ts', 'src/cache/b.ts'), 1);
    assert.equal(from('src/fs/a.ts', 'test/support/b.ts'), 1);
    assert.equal(from('src/other/a.ts', 'src/base/b.ts'), 1);
    assert.equal(from('src/fs/a.ts', 'src/cache/index/b.ts'), 0);
    assert.equal(from('src/fs/a.ts', 'src/fs/b.ts'), 0);
  });
});

describe('the product', () => {
  test('keeps its layers', () => {
    assert.ok(product.length > 0);
    assert.deepEqual(product.flatMap(forbiddenImports), []);
  });

  test('imports only files that exist', () => {
    const known = new Set([...product, ...tooling].map(({ path }) => path));
    const missing = [...product, ...tooling].flatMap(({ path, imports }) =>
      imports.filter((to) => to.endsWith('.ts') && !known.has(to)).map((to) => `${path} imports ${to}`),
    );
    assert.deepEqual(missing, []);
  });

  test('has no cycle of imports', () => {
    assert.equal(findCycle(new Map(product.map(({ path, imports }) => [path, imports]))), null);
  });

  test('imports at run time only what package.json lists, and the product nothing of the development dependencies', () => {
    const { dependencies, devDependencies } = JSON.parse(textOf('package.json')) as Record<
      'dependencies' | 'devDependencies',
      Record<string, string>
    >;
    const foreign = (modules: readonly Module[], listed: object): string[] =>
      modules.flatMap(({ path, packages }) =>
        packages.filter((name) => !(name in listed)).map((name) => `${path} imports ${name}`),
      );
    const shipped = [...product, ...tooling.filter(({ path }) => path.startsWith('demo/'))];
    assert.deepEqual(foreign(shipped, dependencies), []);
    assert.deepEqual(foreign(tooling, { ...dependencies, ...devDependencies }), []);
  });

  test('names modules that it starts by moduleUrl, so that they are found compiled, too', () => {
    const byHand = product.filter(({ path }) => namesModuleByHand(textOf(path)));
    assert.deepEqual(
      byHand.map(({ path }) => path),
      [],
    );
  });

  test('documents every export', () => {
    assert.deepEqual(
      product.flatMap(({ path, undocumented }) => undocumented.map((name) => `${path}: ${name}`)),
      [],
    );
  });
});

describe('every file', () => {
  test('starts with a header that says what it is', () => {
    // A test file says what it is in its names, a .cc file in the header file beside it.
    const bare = [...product, ...tooling].filter(({ path, header }) => !header && !path.endsWith('.test.ts'));
    const bareNative = native.filter(
      (path) => !(path.endsWith('.cc') && native.includes(path.replace(/cc$/, 'h'))) && !textOf(path).startsWith('//'),
    );
    assert.deepEqual([...bare.map(({ path }) => path), ...bareNative], []);
  });

  test('has a bounded length', () => {
    const all = [
      ...[...product, ...tooling].map(({ path, lines }) => ({ path, lines })),
      ...native.map((path) => ({ path, lines: textOf(path).split('\n').length - 1 })),
    ];
    const long = all.filter(({ path, lines }) => lines > (path.startsWith('test/') ? MAX_TEST_LINES : MAX_LINES));
    assert.deepEqual(
      long.map(({ path, lines }) => `${path}: ${lines} lines`),
      [],
    );
  });
});
