/**
 * The manual page dlfs(1), generated of the command line itself, in the man macros (groff_man(7)).
 */
import type { CommandReference } from './walk.ts';

/** The page. @param version of dlfs */
export function manPage(commands: readonly CommandReference[], version: string): string {
  const sections = commands.flatMap(({ name, usage, description, ...parts }) => [
    `.SS ${roff(`${name} ${usage}`)}`,
    roff(description),
    ...parts.arguments.flatMap(({ term, description: text }) => entry(term, text)),
    ...parts.options.flatMap(({ flags, description: text }) => entry(flags, text)),
    ...(parts.examples.length === 0 ? [] : ['.P', '.EX', ...parts.examples.map(roff), '.EE']),
  ]);
  return [
    `.TH DLFS 1 "" "dlfs ${version}" "User Commands"`,
    '.SH NAME',
    'dlfs \\- S3 buckets as read-only directories, cached on the local disk',
    '.SH SYNOPSIS',
    '.B dlfs',
    '.I command',
    '[options] [arguments]',
    '.SH DESCRIPTION',
    'A mount made by',
    '.B dlfs mount',
    'or the datasets of a',
    '.B dlfs daemon',
    'show the objects of a bucket as files. What is read stays on the local disk.',
    '.SH COMMANDS',
    ...sections,
    '.SH FILES',
    ...entry('/run/dlfs/daemon.sock', 'the API of the daemon; only root may open it'),
    ...entry('/var/cache/dlfs', 'caches, a folder for each source'),
    ...entry('/var/log/dlfs', 'logs of mounts in the background'),
    '.SH EXIT STATUS',
    '0 done; 1 a fault in dlfs; 2 usage; 3 keys; 4 data at the origin; 5 endpoint or network; 6 the cache\\(cqs disk; 7 the machine; 8 the',
    'mount point; 130 interrupted.',
    '',
  ].join('\n');
}

function entry(term: string, text: string): string[] {
  return ['.TP', `.B ${roff(term)}`, roff(text)];
}

/** Text that groff takes as text. */
function roff(text: string): string {
  return text
    .replaceAll('\\', '\\e')
    .replaceAll('-', '\\-')
    .replace(/^([.'])/, '\\&$1');
}
