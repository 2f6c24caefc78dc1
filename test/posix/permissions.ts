/**
 * Who may do what, by POSIX's rules for modes: the oracle for `access` and `open` under several owners and users.
 *
 * Pure. Root (uid 0) stands for CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: it reads and searches everything and executes
 * what anybody may execute.
 */

/** A user with one group. */
export interface Subject {
  readonly uid: number;
  readonly gid: number;
}

/** What is asked for; the values are those of access(2). */
export const R_OK = 4;
/** Write; see `R_OK`. */
export const W_OK = 2;
/** Execute, or search in a directory; see `R_OK`. */
export const X_OK = 1;

/**
 * Whether the modes allow all of `wanted`; says nothing of read-only mounts.
 * @param subject who asks
 * @param owner who owns the object
 * @param mode its nine permission bits
 * @param wanted R_OK, W_OK and X_OK in any combination; 0 is always allowed
 * @param isDir root searches any directory, but executes only files with an x bit
 */
export function allows(subject: Subject, owner: Subject, mode: number, wanted: number, isDir: boolean): boolean {
  if (subject.uid === 0) return (wanted & X_OK) === 0 || isDir || (mode & 0o111) !== 0;
  const shift = subject.uid === owner.uid ? 6 : subject.gid === owner.gid ? 3 : 0;
  return ((mode >> shift) & wanted) === wanted;
}
