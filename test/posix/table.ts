/**
 * The POSIX table: name → function over any mount point.
 *
 * A row is a sentence that a reader may rely on and the function that checks it. It knows a directory and the tree that
 * must be in it, nothing else, so the same row judges a plain directory, a mount in either open mode, or another file
 * system altogether. `test/posix/plain.test.ts` proves the rows themselves over ext4; `docs/SEMANTICS.md` names each.
 *
 * To add a row: put it into the file of `rows/` that fits (or a new one, listed here), under a sentence that is true of
 * every target, or into `rows/dlfs.ts` where a local disk cannot keep it; then name it in a claim of `docs/SEMANTICS.md`.
 * A row touches the mount through `target.helper` or a program, restores nothing, and depends on no other row.
 */
import { attributes } from './rows/attributes.ts';
import { directories } from './rows/directories.ts';
import { dlfsOnly } from './rows/dlfs.ts';
import { extras } from './rows/extras.ts';
import { movement } from './rows/movement.ts';
import { names } from './rows/names.ts';
import { programs } from './rows/programs.ts';
import { reads } from './rows/reads.ts';
import { refusals } from './rows/refusals.ts';
import type { Rows } from './target.ts';

/** Joins rows; a name given twice would hide one of them. */
function joined(...parts: readonly Rows[]): Rows {
  const rows: Record<string, Rows[string]> = {};
  for (const [name, row] of parts.flatMap((part) => Object.entries(part))) {
    if (name in rows) throw new Error(`two rows of one name: ${name}`);
    rows[name] = row;
  }
  return rows;
}

/** Rows that hold on any read-only directory with the tree in it. */
export const table: Rows = joined(names, attributes, directories, reads, movement, refusals, extras, programs);

/** Rows that depend on the owner and the modes: to be run again under other ones. */
export const permissionRows: Rows = attributes;

/** Rows that hold on dlfs mounts alone; see `rows/dlfs.ts`. */
export const dlfsTable: Rows = joined(dlfsOnly);

export { extremes } from './extremes.ts';
