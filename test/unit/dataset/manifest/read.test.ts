import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import { stringify } from 'yaml';
import { z } from 'zod';
import {
  checkManifest,
  describeProblem,
  formatManifest,
  formatManifests,
  manifestJsonSchema,
  readManifests,
  requireManifest,
} from '../../../../src/dataset/manifest/index.ts';
import { itemsOfJsonList } from '../../../../src/dataset/manifest/json-list.ts';
import { MAX_DOCUMENT, MAX_TEXT, parseYamlDocuments } from '../../../../src/dataset/manifest/yaml-documents.ts';
import { ARBITRARY_MANIFEST, written, yamlOf } from './samples.ts';

async function problemsOf(text: string): Promise<string[]> {
  return (await readManifests(text, 'node')).problems.map((problem) => describeProblem(problem, 'f.yaml'));
}

const HEAD = 'apiVersion: dlfs.io/v1alpha1\nkind: Dataset\nmetadata:\n  name: x\n';

test('a file holds several manifests, and each knows its line', async () => {
  const { manifests, problems } = await readManifests(
    `# first\n${yamlOf('a')}---\n${yamlOf('n', 'b')}...\n---\n---\n`,
    'node',
  );
  assert.deepEqual(problems, []);
  assert.deepEqual(
    manifests.map(({ manifest, line }) => [manifest.fullName, line]),
    [
      ['a', 4],
      ['n', 9],
    ],
  );
});

describe('a List, as kubectl and dlfs get -o json print several', () => {
  const list = (...items: readonly unknown[]): object => ({ apiVersion: 'v1', kind: 'List', metadata: {}, items });

  for (const [form, textOf] of [
    ['indented JSON', (value: object) => JSON.stringify(value, null, 2)],
    ['JSON on one line', (value: object) => JSON.stringify(value)],
    ['YAML', (value: object) => stringify(value)],
  ] as const) {
    test(`in ${form}: each item is a manifest, and a wrong one takes no other with it`, async () => {
      const text = textOf(list(written('a'), { ...written('b'), kind: 'Pod' }, written('c')));
      const { manifests, problems } = await readManifests(text, 'node');
      assert.deepEqual(
        manifests.map(({ manifest }) => manifest.fullName),
        ['a', 'c'],
      );
      assert.deepEqual(
        problems.map(({ path, dataset }) => [path, dataset]),
        [['kind', 'b']],
      );
      const [problem] = problems;
      assert.match(text.split('\n')[(problem?.line ?? 0) - 1] ?? '', /Pod/);
    });
  }

  test('of indented JSON, a problem has its line and column', async () => {
    const text = JSON.stringify(list(written('a'), { ...written('b'), kind: 'Pod' }), null, 2);
    const [problem] = (await readManifests(text, 'node')).problems;
    const line = text.split('\n')[(problem?.line ?? 0) - 1] ?? '';
    assert.equal(line.indexOf('"Pod"') + 1, problem?.column);
  });

  test('in JSON may be longer than one document, its items may not', async () => {
    const many = Array.from({ length: 300 }, (_, i) => written(`d${i}`));
    const text = JSON.stringify(list(...many), null, 2);
    assert.ok(text.length > MAX_DOCUMENT);
    assert.equal((await readManifests(text, 'node')).manifests.length, many.length);
    const huge = { ...written('huge'), more: 'x'.repeat(MAX_DOCUMENT) };
    const { manifests, problems } = await readManifests(JSON.stringify(list(written('a'), huge), null, 2), 'node');
    assert.equal(manifests.length, 1);
    assert.match(problems[0]?.message ?? '', /a document longer than/);
  });

  test('that is none is refused as what it is: other kinds, other versions, a key twice', async () => {
    for (const text of [
      '{"apiVersion": "v2", "kind": "List", "items": []}',
      '{"apiVersion": "v1", "kind": "List", "items": {}}',
      '{"apiVersion": "v1", "kind": "List", "items": [{}], "items": []}',
    ])
      assert.ok((await problemsOf(text)).length > 0, text);
    assert.deepEqual(await problemsOf('{"apiVersion": "v1", "kind": "List", "items": []}'), []);
  });

  test('of any JSON is cut as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.array(fc.json().map((text) => JSON.parse(text) as unknown)), fc.nat(4), (items, indent) => {
        const text = JSON.stringify(
          { note: [{ items: 1 }], apiVersion: 'v1', kind: 'List', items, end: '"' },
          null,
          indent,
        );
        const found = itemsOfJsonList(text) ?? [];
        assert.deepEqual(
          found.map((item) => JSON.parse(item.text) as unknown),
          items,
        );
        for (const item of found) assert.ok(text.startsWith(item.text, item.offset));
      }),
    );
  });
});

test('JSON is read, with tabs, and so is a byte order mark', async () => {
  const json = JSON.stringify(written('a'), null, '\t');
  assert.equal((await readManifests(json, 'node')).manifests[0]?.manifest.fullName, 'a');
  assert.equal((await readManifests(`\ufeff${yamlOf('b')}`, 'node')).manifests[0]?.manifest.fullName, 'b');
});

test('an empty file and one of comments hold nothing, and that is no fault', async () => {
  for (const text of ['', '\n\n', '# nothing\n', '---\n', '---\n# a\n---\n', 'null\n']) {
    assert.deepEqual(await readManifests(text, 'node'), { manifests: [], problems: [] });
  }
});

test('what is wrong has its line and column', async () => {
  const text = `${HEAD}spec:\n  source:\n    s3:\n      bucket: b\n      prefxi: c\n  cache:\n    quota: { bytes: much }\n  ioTimeout: soon\n`;
  assert.deepEqual(await problemsOf(text), [
    'f.yaml:9:7: spec.source.s3.prefxi: unknown field; did you mean "prefix"?',
    'f.yaml:11:21: spec.cache.quota.bytes: not a size: "much"; write it like 512MiB or 10GiB',
    'f.yaml:12:14: spec.ioTimeout: not a span of time: "soon"; write it like 30s, 5m or 1h30m',
  ]);
  assert.deepEqual(await problemsOf(`${yamlOf('a')}---\n\n${HEAD}spec:\n  source:\n    s3: {}\n`), [
    'f.yaml:13:5: spec.source.s3: bucket is missing',
  ]);
});

test('a document that is wrong takes nothing else with it', async () => {
  const { manifests, problems } = await readManifests(`${yamlOf('a')}---\nkind: [\n---\n${yamlOf('b')}`, 'node');
  assert.deepEqual(
    manifests.map(({ manifest }) => manifest.fullName),
    ['a', 'b'],
  );
  assert.equal(problems.length, 1);
});

test('permissions are octal however they are written', async () => {
  const modeOf = async (text: string): Promise<unknown> =>
    (await readManifests(`${HEAD}spec: {source: {s3: {bucket: b}}, mode: {file: ${text}}}\n`, 'node')).manifests[0]
      ?.manifest.complete.spec.mode.file;
  for (const text of ['0444', '"0444"', "'444'", '0o444']) assert.equal(await modeOf(text), 0o444, text);
  // 292 may be what a reader of YAML 1.1 made of 0444, or octal, or neither.
  assert.equal(await modeOf('444'), undefined);
  assert.equal(await modeOf('292'), undefined);
});

describe('YAML that is refused, by line and without repeating it', () => {
  const cases: readonly (readonly [text: string, problem: RegExp])[] = [
    ['a: 1\nsecret: HUNTER2\nsecret: HUNTER2\n', /^f\.yaml:3:1: this key stands here twice$/],
    ['{"a": 1, "a": HUNTER2}', /^f\.yaml:1:10: this key stands here twice$/],
    ['a: HUNTER2: b\n', /^f\.yaml:1:4: not valid YAML: two ": " on one line/],
    ['a:\n\tb: HUNTER2\n', /^f\.yaml:2:1: not valid YAML: a tab as indentation/],
    ['a: "HUNTER2\n', /^f\.yaml:\d:\d+: not valid YAML: a bracket, quote/],
    ['a: [HUNTER2\n', /not valid YAML/],
    ['a: "HUNTER2\\q"\n', /backslash/],
    ['a: *HUNTER2\n', /alias that names no anchor/],
    ['a: !HUNTER2 b\n', /leave the ! tag out/],
    ['a: !!binary HUNTER2\n', /write text, a number, true or false/],
    ['%HUNTER2 1\n---\na: 1\n', /leave the % directive out|not valid YAML/],
    ['? [HUNTER2]\n: b\n', /a key must be/],
    ['a: .inf\n', /write a finite number/],
    ['a: 1\n...\nHUNTER2: 1\n', /begin each document with a line of ---/],
    ['@HUNTER2\n', /needs quotes/],
    ['['.repeat(2000), /^f\.yaml:1:1: nested too deeply$/],
    ['a: 1\n'.repeat(2) + '-'.repeat(MAX_TEXT), /^f\.yaml:1:1: longer than 1024 KiB/],
    [`a: ${'x'.repeat(MAX_DOCUMENT)}\n`, /^f\.yaml:1:1: a document longer than 32 KiB$/],
    ['---\na: 1\n'.repeat(2001), /^f\.yaml:1:1: more than 2000 documents/],
    [`a: [${'x,'.repeat(6000)}]`, /too much in one document/],
    [`${'- '.repeat(60)}x`, /too much in one document|nested too deeply/],
    ['a: &a [*a]\n', /too much in one document/],
  ];
  for (const [text, expected] of cases) {
    test(`${JSON.stringify(text.slice(0, 50))}: ${String(expected)}`, async () => {
      const problems = await problemsOf(text);
      assert.match(problems[0]!, expected);
      assert.doesNotMatch(problems.join('\n'), /HUNTER2/);
    });
  }

  test('an alias that repeats aliases (a "billion laughs") is refused in bounded time', async () => {
    let bomb = 'a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n';
    for (let level = 1; level < 12; level++)
      bomb += `a${level}: &a${level} [${Array(10)
        .fill(`*a${level - 1}`)
        .join(', ')}]\n`;
    assert.match((await problemsOf(bomb))[0]!, /too much in one document/);
  });

  test('aliases that repeat little are allowed', async () => {
    const text = `${HEAD}  labels: &l {a: b}\nspec: {source: {s3: {bucket: b}}}\nstatus: {again: *l}\n`;
    assert.deepEqual(await problemsOf(text), []);
  });
});

test('any text is read to manifests or problems, never to an exception', async () => {
  const words = fc.constantFrom(
    'a',
    ': ',
    '- ',
    '\n',
    '  ',
    '"',
    "'",
    '[',
    ']',
    '{',
    '}',
    '&x ',
    '*x',
    '|',
    '>',
    '#',
    '---\n',
    '!!map ',
    '%',
    '\t',
    '\u0000',
    '\u0085',
    '<<',
    '? ',
    ',',
  );
  await fc.assert(
    fc.asyncProperty(
      fc.oneof(
        fc.string({ unit: 'binary' }),
        fc.array(words).map((parts) => parts.join('')),
      ),
      async (text) => {
        for (const { value, problems } of await parseYamlDocuments(text))
          assert.ok(problems.length > 0 || value !== undefined);
        const { manifests } = await readManifests(text, 'node');
        assert.deepEqual(manifests, []);
      },
    ),
    { numRuns: 500 },
  );
});

test('a manifest is written so that it reads as the same again, with a status and without', async () => {
  await fc.assert(
    fc.asyncProperty(ARBITRARY_MANIFEST, async (value) => {
      const manifest = requireManifest(value, 'node');
      for (const status of [null, { conditions: [{ type: 'Ready', status: 'True' }], generation: 3 }]) {
        const text = formatManifest(manifest, status);
        const { manifests, problems } = await readManifests(text, 'node');
        assert.deepEqual(problems, []);
        assert.deepEqual(manifests[0]?.manifest, manifest);
      }
      // In the same words: nothing was added.
      assert.deepEqual(manifest.written, JSON.parse(JSON.stringify(value)));
    }),
    { numRuns: 200 },
  );
});

test('the order of keys in what was written does not matter, and what is shown has the order of the schema', async () => {
  const shuffled = `spec: {mode: {file: "0400"}, source: {s3: {prefix: p, bucket: b}}}\nmetadata: {labels: {b: "1", a: x}, name: nn}\nkind: Dataset\napiVersion: dlfs.io/v1alpha1\n`;
  const { manifests } = await readManifests(shuffled, 'node');
  assert.equal(
    formatManifest(manifests[0]!.manifest),
    [
      'apiVersion: dlfs.io/v1alpha1',
      'kind: Dataset',
      'metadata:',
      '  name: nn',
      '  labels:',
      '    a: x',
      '    b: "1"',
      'spec:',
      '  source:',
      '    s3:',
      '      bucket: b',
      '      prefix: p',
      '  mode:',
      '    file: "0400"',
      '',
    ].join('\n'),
  );
});

test('several are written to one text', async () => {
  const all = ['a', 'b'].map((name) => requireManifest(written(name), 'node'));
  const { manifests } = await readManifests(formatManifests(all), 'node');
  assert.deepEqual(
    manifests.map(({ manifest }) => manifest),
    all,
  );
});

test('what the schema takes, the published JSON Schema takes', () => {
  const published = z.fromJSONSchema(manifestJsonSchema('node'));
  const refused = published.safeParse({ ...written('x'), extra: 1 });
  assert.equal(refused.success, false);
  fc.assert(
    fc.property(ARBITRARY_MANIFEST, (value) => {
      assert.notEqual(checkManifest(value, 'node').manifest, null);
      assert.deepEqual(published.safeParse(value).error, undefined);
    }),
    { numRuns: 200 },
  );
});
