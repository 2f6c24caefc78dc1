/**
 * What the API shows of a process: its datasets with what serves them. A daemon has many, a mount has one.
 */
import type { Condition } from '../node/conditions.ts';
import type { RecentErrors } from '../node/recent-errors.ts';
import type { DatasetServer } from '../dataset/dataset-server.ts';
import type { Owner, Phase } from '../api/contract/dataset-view.ts';

/** One dataset of the process. */
export interface HostedDataset {
  readonly namespace: string | null;
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly owner: Owner;
  /** As it was given. */
  readonly manifest: Readonly<Record<string, unknown>>;
  /** Where it is seen. */
  readonly directory: string;
  readonly phase: Phase;
  readonly conditions: readonly Condition[];
  readonly errors: RecentErrors;
  readonly generation: { readonly id: string; readonly superseded: number } | null;
  /** Null while it is not served. */
  readonly server: DatasetServer | null;
}
