/** Where desired datasets come from. Each file's header says how. */
export { ConfigFolder, type ConfigFolderOptions, type ConfigSnapshot } from './config-folder.ts';
export {
  changesBetween,
  mergeDesired,
  ownerText,
  type Desired,
  type DesiredChange,
  type OwnedManifest,
  type Owner,
} from './desired.ts';
export { DesiredState, type Applied, type ChangeListener, type DesiredStateOptions } from './desired-state.ts';
export { describeConfigProblem, type ConfigProblem } from './problem.ts';
export { StateFolder } from './state-folder.ts';
