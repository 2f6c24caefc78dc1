/**
 * The commands about datasets: apply, get, describe, delete.
 */
import { applyManifests, type ApplyOptions } from '../datasets/apply-command.ts';
import { deleteDataset, type DeleteOptions } from '../datasets/delete-command.ts';
import { describeDataset } from '../datasets/describe-command.ts';
import { getDatasets, type GetOptions } from '../datasets/get-command.ts';
import { addTarget, command, outputOption, type Registration } from './register.ts';

/** Registers them. */
export function addDatasetCommands({ program, context }: Registration): void {
  const apply = command(program, 'apply', 'Make a dataset what its manifest says, in a running daemon.', [
    'dlfs apply -f imagenet.yaml',
    'dlfs get imagenet -o yaml | dlfs apply -f -',
  ])
    .requiredOption('-f, --filename <file...>', 'manifests: files, folders, or - for standard input')
    .option('--dry-run', 'check, and say what would change')
    .action((options: ApplyOptions) => applyManifests(options, context));
  addTarget(apply, true);

  const get = command(program, 'get', 'List datasets, or show one.', [
    'dlfs get',
    'dlfs get imagenet -o yaml',
    'dlfs get /mnt/data -o wide',
  ])
    .argument('[name]', 'a dataset, or the directory of a mount')
    .addOption(outputOption())
    .action((name: string | undefined, options: GetOptions) => getDatasets(name ?? null, options, context));
  addTarget(get, true);

  const describe = command(program, 'describe', 'Show all that is known of a dataset: conditions, snapshot, errors.', [
    'dlfs describe imagenet',
  ])
    .argument('<name>', 'a dataset, or the directory of a mount')
    .addOption(outputOption(['table', 'json', 'yaml']))
    .action((name: string, options: GetOptions) => describeDataset(name, options, context));
  addTarget(describe, true);

  const remove = command(program, 'delete', 'End a dataset and remove its cache.', [
    'dlfs delete imagenet',
    'dlfs delete imagenet --force --keep-cache',
  ])
    .argument('<name>', 'a dataset')
    .option('--force', 'also while it is in use: open files are read on')
    .option('--keep-cache', 'leave what is cached on the disk')
    .action((name: string, options: DeleteOptions) => deleteDataset(name, options, context));
  addTarget(remove, true);
}
