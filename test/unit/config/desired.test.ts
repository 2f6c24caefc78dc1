import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import fc from 'fast-check';
import {
  changesBetween,
  describeConfigProblem,
  mergeDesired,
  type Desired,
  type OwnedManifest,
} from '../../../src/daemon/config/index.ts';
import { nameClashes } from '../../../src/dataset/manifest/index.ts';
import { manifestOf } from '../dataset/manifest/samples.ts';

const inFile = (file: string, name: string, bucket = 'data', line = 1): OwnedManifest => ({
  manifest: manifestOf(name, bucket),
  owner: { kind: 'file', file, line },
});
const applied = (name: string, bucket = 'data'): OwnedManifest => ({
  manifest: manifestOf(name, bucket),
  owner: { kind: 'applied', file: `/state/${name.replace('/', '_')}.yaml` },
});

/** Each name with its owner's file. */
const shown = ({ datasets }: Desired): Record<string, string> =>
  Object.fromEntries([...datasets].map(([name, { owner }]) => [name, owner.file]));
const problems = (desired: Desired): string[] => desired.problems.map(describeConfigProblem);

const NOTHING: Desired = { datasets: new Map(), problems: [] };
const after = ({ datasets }: Desired, files: OwnedManifest[], api: OwnedManifest[] = []): Desired =>
  mergeDesired(datasets, files, api);

test('files and what is applied make the datasets together', () => {
  const desired = after(NOTHING, [inFile('/c/a', 'a'), inFile('/c/b', 'n/a')], [applied('b')]);
  assert.deepEqual(shown(desired), { 'n/a': '/c/b', a: '/c/a', b: '/state/b.yaml' });
  assert.deepEqual(desired.problems, []);
});

describe('where two files want one name', () => {
  test('at the start the first by name has it, and the other is reported with its line', () => {
    const desired = after(NOTHING, [inFile('/c/a', 'x'), inFile('/c/b', 'x', 'other', 7)]);
    assert.deepEqual(shown(desired), { x: '/c/a' });
    assert.deepEqual(problems(desired), ['/c/b:7: x is described by /c/a:1 already: it is not taken']);
  });

  test('the one that had it keeps it, and leaves it to the other when it goes', () => {
    const first = after(NOTHING, [inFile('/c/b', 'x')]);
    const second = after(first, [inFile('/c/a', 'x'), inFile('/c/b', 'x')]);
    assert.deepEqual(shown(second), { x: '/c/b' });
    assert.equal(second.problems.length, 1);
    assert.deepEqual(shown(after(second, [inFile('/c/a', 'x')])), { x: '/c/a' });
  });

  test('within one file the first has it', () => {
    const twice = [inFile('/c/a', 'x', 'one', 1), inFile('/c/a', 'x', 'two', 9)];
    for (const before of [NOTHING, after(NOTHING, twice)]) {
      const desired = after(before, twice);
      assert.equal(desired.datasets.get('x')?.manifest.complete.spec.source.s3.bucket, 'one');
      assert.deepEqual(problems(desired), ['/c/a:9: x is described by /c/a:1 already: it is not taken']);
    }
  });
});

test('a file has a name before what was applied, which is there again when the file lets go', () => {
  const first = after(NOTHING, [], [applied('x', 'one')]);
  const second = after(first, [inFile('/c/a', 'x', 'two')], [applied('x', 'one')]);
  assert.deepEqual(shown(second), { x: '/c/a' });
  assert.deepEqual(problems(second), ['/state/x.yaml: x is described by /c/a:1 already: it is not taken']);
  assert.deepEqual(shown(after(second, [], [applied('x', 'one')])), { x: '/state/x.yaml' });
});

describe('where a dataset without namespace is named like a namespace', () => {
  test('at the start it is refused', () => {
    const desired = after(NOTHING, [inFile('/c/a', 'n'), inFile('/c/b', 'n/x')]);
    assert.deepEqual(shown(desired), { 'n/x': '/c/b' });
    assert.deepEqual(problems(desired), [
      '/c/a:1: n has no namespace, and n/x is in a namespace of that name: give it one, or another name: it is not taken',
    ]);
  });

  test('the newcomer is refused, whichever of the two it is', () => {
    const plain = after(NOTHING, [inFile('/c/a', 'n')]);
    const second = after(plain, [inFile('/c/a', 'n'), inFile('/c/b', 'n/x')]);
    assert.deepEqual(shown(second), { n: '/c/a' });
    assert.match(
      problems(second)[0]!,
      /^\/c\/b:1: n\/x is in a namespace that is called like the dataset n, which has none/,
    );
  });
});

test('changes are told as removals, changes and additions, each by name', () => {
  const before = after(
    NOTHING,
    ['b', 'a', 'd', 'same'].map((name) => inFile('/c', name)),
  );
  const now = after(before, [inFile('/c', 'same'), inFile('/c2', 'd', 'other'), inFile('/c', 'z'), inFile('/c', 'e')]);
  assert.deepEqual(
    changesBetween(before.datasets, now.datasets).map((change) => [
      change.kind,
      change.name,
      change.kind === 'changed' ? change.diff.effect : null,
    ]),
    [
      ['removed', 'a', null],
      ['removed', 'b', null],
      ['changed', 'd', 'generation'],
      ['added', 'e', null],
      ['added', 'z', null],
    ],
  );
});

test('any history of files and applications keeps what is promised', () => {
  const name = fc.constantFrom('a', 'b', 'n', 'm', 'n/a', 'n/b', 'm/a');
  const files = fc.array(fc.tuple(fc.constantFrom('/c/1', '/c/2', '/c/3'), name, fc.constantFrom('one', 'two')), {
    maxLength: 6,
  });
  const stored = fc.uniqueArray(name, { maxLength: 4 });
  fc.assert(
    fc.property(fc.array(fc.tuple(files, stored), { minLength: 1, maxLength: 8 }), (history) => {
      let before = NOTHING;
      const followed = new Map<string, string>();
      for (const [ofFiles, ofApi] of history) {
        const wanted = ofFiles
          .toSorted(([left], [right]) => (left < right ? -1 : left > right ? 1 : 0))
          .map(([file, dataset, bucket], line) => inFile(file, dataset, bucket, line + 1));
        const api = ofApi.map((dataset) => applied(dataset));
        const now = mergeDesired(before.datasets, wanted, api);
        // What is taken was wanted, and no two are in each other's way.
        for (const owned of now.datasets.values()) assert.ok(wanted.includes(owned) || api.includes(owned));
        assert.deepEqual(nameClashes(now.datasets.keys()), []);
        // Each candidate is taken, or has one problem of its own.
        assert.equal(now.datasets.size + now.problems.length, wanted.length + api.length);
        // Who is there and still wanted stays.
        for (const dataset of before.datasets.keys()) {
          const still = [...wanted, ...api].some(({ manifest }) => manifest.fullName === dataset);
          assert.equal(now.datasets.has(dataset), still, dataset);
        }
        // A name that nobody disputes is taken.
        for (const { manifest } of [...wanted, ...api]) {
          const others = [...wanted, ...api, ...before.datasets.values()].map((owned) => owned.manifest.fullName);
          const disputed = others.some(
            (other) => other.split('/')[0] === manifest.fullName.split('/')[0] && other !== manifest.fullName,
          );
          if (!disputed) assert.ok(now.datasets.has(manifest.fullName), manifest.fullName);
        }
        // What depends on nothing before is the same however often it is asked.
        assert.deepEqual(shown(mergeDesired(now.datasets, wanted, api)), shown(now));
        // Whoever follows the changes ends with the same.
        for (const change of changesBetween(before.datasets, now.datasets)) {
          assert.equal(followed.has(change.name), change.before !== null);
          if (change.after === null) followed.delete(change.name);
          else followed.set(change.name, JSON.stringify(change.after.written));
          // At no moment are two in each other's way.
          assert.deepEqual(nameClashes(followed.keys()), []);
        }
        assert.deepEqual(
          [...followed].sort(),
          [...now.datasets].map(([dataset, { manifest }]) => [dataset, JSON.stringify(manifest.written)]).sort(),
        );
        before = now;
      }
    }),
    { numRuns: 500 },
  );
});
