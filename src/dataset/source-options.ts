/**
 * The options that describe a source, as one schema.
 *
 * What a command line, a mount unit or a manifest gives is checked here once; the rest of the program takes the result's
 * word. No secret is among these options: a key is named by profile or environment, never written here.
 *
 * Invariants:
 * 1. A value of `SourceOptions` came from `parseSourceOptions`: combinations that cannot work do not exist in it.
 * 2. Every refusal is one line that names the option as the user wrote it and says what to write instead.
 */
import { z } from 'zod';
import { DlfsError } from '../base/errors.ts';
import { parseSourceReference, type SourceReference } from './source-reference.ts';

/** A region's name, as it stands in signatures and host names. */
const REGION = /^[a-z0-9](?:[a-z0-9-]{0,62}[a-z0-9])?$/i;

/** A profile's name in the AWS configuration files: anything that fits on its section's line. */
// eslint-disable-next-line no-control-regex -- control characters are what this refuses
const PROFILE = /^[^\u0000-\u001f\u007f\]]{1,256}$/;

const endpoint = z
  .string()
  .transform((text, context) => {
    const url = URL.parse(text);
    const wrong = whatIsWrongWith(url);
    if (url === null || wrong !== null) {
      context.addIssue({ code: 'custom', message: wrong ?? 'not a URL' });
      return z.NEVER;
    }
    return `${url.origin}${url.pathname === '/' ? '' : url.pathname.replace(/\/+$/, '')}`;
  })
  .describe('URL of the S3 endpoint; without it, AWS');

function whatIsWrongWith(url: URL | null): string | null {
  if (url === null || !/^https?:$/.test(url.protocol) || url.hostname === '') {
    return 'write a URL like https://s3.example.com or http://127.0.0.1:9000';
  }
  if (url.username !== '' || url.password !== '')
    return 'keys do not belong into the URL: use a profile or the environment';
  if (url.search !== '' || url.hash !== '') return 'a URL without "?" and "#" is needed';
  return null;
}

/** The schema; its input is what the user wrote. */
export const SOURCE_OPTIONS = z
  .strictObject({
    source: z.string().describe('s3://BUCKET[/PREFIX]'),
    endpoint: endpoint.optional(),
    region: z.string().regex(REGION, 'write a region like eu-central-1').optional(),
    profile: z.string().regex(PROFILE, 'write the name of a section of ~/.aws/config').optional(),
    anonymous: z.boolean().default(false),
    pathStyle: z.boolean().default(false),
    caFile: z.string().min(1, 'write the path of a PEM file').optional(),
    requesterPays: z.boolean().default(false),
  })
  .refine((options) => !(options.anonymous && options.profile !== undefined), {
    path: ['anonymous'],
    message: 'goes without keys, so it cannot go together with --profile',
  })
  .refine((options) => !(options.anonymous && options.requesterPays), {
    path: ['requesterPays'],
    message: 'needs keys of who pays, so it cannot go together with --anonymous',
  })
  .refine(
    (options) =>
      options.caFile === undefined || options.endpoint === undefined || options.endpoint.startsWith('https:'),
    {
      path: ['caFile'],
      message: 'has no use with a plain http:// endpoint; write https://',
    },
  );

/** What the user may write. */
export type SourceOptionsInput = z.input<typeof SOURCE_OPTIONS>;

/** Checked options of a source. */
export interface SourceOptions {
  readonly reference: SourceReference;
  /** Origin and path without a trailing slash; null: AWS, or what the SDK's own configuration says. */
  readonly endpoint: string | null;
  /** Null: by the SDK's own chain. */
  readonly region: string | null;
  /** Null: by the SDK's own chain. */
  readonly profile: string | null;
  /** No signature at all. */
  readonly anonymous: boolean;
  /** The bucket in the path even where it could stand in the host name. */
  readonly pathStyle: boolean;
  /** PEM file of further trusted certificate authorities. */
  readonly caFile: string | null;
  /** Tells the origin that the reader pays. */
  readonly requesterPays: boolean;
}

/**
 * Checks the options of a source.
 * @throws DlfsError `invalid-argument` with the first thing that is wrong
 */
export function parseSourceOptions(input: SourceOptionsInput): SourceOptions {
  const parsed = SOURCE_OPTIONS.safeParse(input);
  if (!parsed.success) throw new DlfsError('invalid-argument', firstIssue(parsed.error));
  const { source, endpoint: url, region, profile, caFile, ...flags } = parsed.data;
  return {
    reference: parseSourceReference(source),
    endpoint: url ?? null,
    region: region ?? null,
    profile: profile ?? null,
    caFile: caFile ?? null,
    ...flags,
  };
}

function firstIssue(error: z.ZodError): string {
  const issue = error.issues[0];
  if (issue === undefined) return 'the options of the source are not valid';
  const name = issue.path.map(String).join('.');
  return name === '' ? issue.message : `--${kebab(name)}: ${issue.message}`;
}

function kebab(name: string): string {
  return name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
}
