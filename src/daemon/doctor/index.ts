/**
 * The doctor: looks at everything a mount depends on, and says of each whether it is well or what to do.
 */
export { examineAddon } from './addon.ts';
export { cacheDiskType, checkCacheDirectory, examineCacheDisk } from './cache-disk.ts';
export type { Finding } from './finding.ts';
export { examineMachine, hasSysAdmin, lookAtDevice } from './machine.ts';
export { examineMounts } from './mounts.ts';
export { examineSource, type SourceExamination } from './source.ts';
