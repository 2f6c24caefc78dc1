/**
 * The commands of the differential test, as fast-check makes and shrinks them.
 *
 * Commands choose by number: a path, a handle or a place in a file is a number that is taken modulo what there is when the
 * command runs, so that shrinking one command leaves the others meaningful.
 */
import fc from 'fast-check';
import { MAP, O, PAGE, PROT, SEEK } from '../../posix/linux.ts';
import { comparable, type Handle, type Session } from './session.ts';
import { MODEL_SIZES } from './model-tree.ts';
import type { Actions } from './system.ts';

/** fast-check's model is of no use here: the plain directory is the model. */
type Model = Readonly<Record<string, never>>;

/** A command over the session; its text is what a failure prints. */
export type MountCommand = fc.AsyncCommand<Model, Session>;

function command(text: string, run: (session: Session) => Promise<void>): MountCommand {
  return { check: () => true, run: (_model, session) => run(session), toString: () => text };
}

function pick<T>(items: readonly T[], index: number): T | null {
  return items.length === 0 ? null : (items[index % items.length] ?? null);
}

/** Runs over a handle, or does nothing where none is open. */
function onHandle(text: string, index: number, run: (session: Session, handle: Handle) => Promise<void>): MountCommand {
  return command(`${text} of handle ${String(index)}`, async (session) => {
    const handle = pick(session.handles, index);
    if (handle !== null) await run(session, handle);
  });
}

const choice = fc.nat({ max: 9999 });
/** Offsets lie around multiples of the block sizes and pages, or anywhere. */
const offset = fc.oneof(
  fc.nat({ max: 4_000_000 }),
  fc
    .tuple(fc.constantFrom(4096, 65_536, 1024 * 1024), fc.nat({ max: 60 }), fc.integer({ min: -2, max: 2 }))
    .map(([unit, times, near]) => Math.max(0, unit * (times % 5) + near)),
);
const length = fc.oneof(
  fc.integer({ min: 1, max: 10_000 }),
  fc.constantFrom(1, 4096, 65_536, 131_072, 1024 * 1024, 2_000_000),
);
/** What a directory is called here: the parents of the tree's paths, and a name nobody made. */
const DIRS = ['', 'dir', 'many', 'a', 'a/b', 'a/b/c', 'a-b', 'é', 'new', 'absent'];
/** Paths that come into being by a change. */
const NEW_PATHS = ['new/one', 'new/two', 'many/extra', 'zzz'];

const reading: readonly fc.Arbitrary<MountCommand>[] = [
  fc.tuple(choice, fc.boolean()).map(([path, direct]) =>
    command(`open path ${String(path)}${direct ? ' O_DIRECT' : ''}`, async (session) => {
      const chosen = pick(session.paths, path);
      if (chosen !== null) await session.open(chosen, O.O_RDONLY | (direct ? O.O_DIRECT : 0), direct);
    }),
  ),
  fc.tuple(choice, length).map(([handle, bytes]) =>
    onHandle(`read ${String(bytes)}`, handle, async (session, open) => {
      if (open.direct || open.lost) return;
      await session.both('read', (side) => [open[side], bytes], { handle: open });
    }),
  ),
  fc.tuple(choice, length, offset).map(([handle, bytes, at]) =>
    onHandle(`pread ${String(bytes)} at ${String(at)}`, handle, async (session, open) => {
      const [from, count] = open.direct ? [at - (at % PAGE), Math.ceil(bytes / PAGE) * PAGE] : [at, bytes];
      if (open.direct) {
        await session.both('pread_direct', (side) => [open[side], count, from, 0], { handle: open });
      } else await session.both('pread', (side) => [open[side], count, from], { handle: open });
    }),
  ),
  fc
    .tuple(choice, fc.constantFrom(SEEK.SET, SEEK.CUR, SEEK.END, SEEK.DATA, SEEK.HOLE), offset)
    .map(([handle, whence, at]) =>
      onHandle(`lseek ${String(at)} ${String(whence)}`, handle, async (session, open) => {
        if (!open.lost) await session.both('lseek', (side) => [open[side], at, whence]);
      }),
    ),
  fc.tuple(choice, offset, length).map(([handle, at, bytes]) =>
    onHandle(`mmap, ${String(bytes)} bytes at ${String(at)}`, handle, async (session, open) => {
      await session.both('mmap_read', (side) => [open[side], at + bytes, MAP.SHARED, PROT.READ, [[at, bytes]]], {
        handle: open,
        reduce: ([data]) => data,
      });
    }),
  ),
  choice.map((handle) =>
    onHandle('fstat', handle, async (session, open) => {
      await session.both('fstat', (side) => [open[side]], { handle: open, reduce: comparable });
    }),
  ),
  choice.map((handle) => onHandle('close', handle, (session, open) => session.close(open))),
  fc
    .tuple(choice, fc.array(fc.tuple(offset, length), { minLength: 2, maxLength: 8 }), fc.boolean())
    .map(([path, ranges, shared]) =>
      command(`${String(ranges.length)} readers at once of path ${String(path)}`, async (session) => {
        const chosen = pick(session.paths, path);
        if (chosen === null) return;
        await session.both('digest_parallel', (side) => [session.at(side, chosen), ranges, ranges.length, shared]);
      }),
    ),
];

const looking: readonly fc.Arbitrary<MountCommand>[] = [
  choice.map((path) =>
    command(`stat path ${String(path)}`, async (session) => {
      const chosen = pick([...session.paths, ...DIRS], path) ?? '';
      await session.both('stat', (side) => [session.at(side, chosen)], { reduce: comparable });
    }),
  ),
  fc.tuple(choice, fc.constantFrom('', 'x', '/x', '/')).map(([path, tail]) =>
    command(`lookup path ${String(path)}${tail}`, async (session) => {
      const chosen = pick([...session.paths, ...DIRS.slice(1)], path) ?? '';
      await session.both('access', (side) => [`${session.at(side, chosen)}${tail}`, 0]);
    }),
  ),
  fc.constantFrom(...DIRS).map((dir) =>
    command(`readdir '${dir}'`, async (session) => {
      await session.both('getdents', (side) => [session.at(side, dir), 4096], {
        reduce: (entries) => entries.map(([name, , type]) => `${String(type)} ${name}`).sort(),
      });
    }),
  ),
  fc
    .constantFrom(...DIRS)
    .map((dir) => command(`open directory '${dir}'`, (session) => session.openStream(dir, O.O_RDONLY | O.O_DIRECTORY))),
  fc.tuple(choice, fc.constantFrom(280, 512, 2048)).map(([stream, size]) =>
    command(`read ${String(size)} bytes of directory ${String(stream)}`, async (session) => {
      const chosen = pick(session.streams, stream);
      if (chosen !== null) await session.readStream(chosen, size);
    }),
  ),
  fc.tuple(choice, fc.constantFrom('user.mine', 'security.capability')).map(([path, name]) =>
    command(`getxattr ${name} of path ${String(path)}`, async (session) => {
      const chosen = pick(session.paths, path);
      if (chosen !== null) await session.both('getxattr', (side) => [session.at(side, chosen), name]);
    }),
  ),
  fc.tuple(choice, fc.constantFrom('unlink', 'mkdir', 'truncate', 'open')).map(([path, call]) =>
    command(`${call} path ${String(path)} for writing`, async (session) => {
      const chosen = pick(session.paths, path);
      if (chosen === null) return;
      if (call === 'truncate') await session.both(call, (side) => [session.at(side, chosen), 1]);
      else if (call === 'open') await session.both(call, (side) => [session.at(side, chosen), O.O_RDWR]);
      else if (call === 'mkdir') await session.both(call, (side) => [`${session.at(side, 'dir')}/made`]);
      else if ((session.files.get(chosen) ?? null) !== null)
        await session.both('unlink', (side) => [session.at(side, chosen)]);
    }),
  ),
];

const changing = fc.tuple(choice, fc.option(fc.constantFrom(...MODEL_SIZES), { freq: 4 })).map(([path, size]) =>
  command(`${size === null ? 'remove' : `put ${String(size)} bytes at`} path ${String(path)}`, async (session) => {
    const chosen = pick([...session.paths, ...NEW_PATHS.filter((name) => !session.files.has(name))], path);
    if (chosen !== null) await session.change(chosen, size);
  }),
);

/**
 * Sequences of commands.
 * @param actions what the system under test offers; the rest is left out
 * @param maxCommands the longest sequence
 */
export function commands(actions: Actions, maxCommands: number): fc.Arbitrary<Iterable<MountCommand>> {
  const rare: fc.Arbitrary<MountCommand>[] = [];
  const { evict, restart, dropCaches } = actions;
  if (actions.change !== undefined) rare.push(changing);
  if (evict !== undefined) rare.push(fc.constant(command('evict', () => evict())));
  if (dropCaches !== undefined) rare.push(fc.constant(command('drop caches', () => dropCaches())));
  if (restart !== undefined) {
    rare.push(
      fc.constantFrom('clean', 'kill').map((how) => command(`restart ${how}`, (session) => session.restart(how))),
    );
  }
  // Reading is most of what happens, and opening more than closing: runs with many open files.
  const common = [...reading, ...reading, ...reading, ...looking, ...looking];
  const opening = reading[0] === undefined ? [] : [reading[0], reading[0], reading[0]];
  return fc.commands([...common, ...opening, ...rare, ...rare], { maxCommands, size: 'max' });
}
