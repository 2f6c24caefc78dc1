/**
 * How a listing becomes a directory tree: the pure part.
 */
export { splitKey, type KeyPath } from './key-path.ts';
export { faultOfName, isPathTooLong, NAME_MAX, PATH_BYTES_MAX, SKIP_REASONS, type SkipReason } from './path-rules.ts';
export { PendingFiles, type Verdict } from './pending-files.ts';
export { LevelWalk, SubtreeWalk, type TreeWalk, type WalkStep } from './tree-walk.ts';
export { isSameVersion, type ObjectVersion } from './version.ts';
