/**
 * The options that describe a source, as one schema.
 *
 * What a command line or a mount unit gives is checked here once; a manifest is checked by its own schema (`manifest/`), made of
 * the same values and rules, and gives the same `SourceOptions`. The rest of the program takes the result's word. No secret is
 * among these options: a key is named by profile, file or environment, never written here.
 *
 * Invariants:
 * 1. A value of `SourceOptions` came from one of the two schemas: combinations that cannot work do not exist in it.
 * 2. Every refusal is one line that names the option as the user wrote it and says what to write instead.
 */
import { z } from 'zod';
import { DlfsError } from '../base/errors.ts';
import * as values from './option-values.ts';
import { SOURCE_WORDS, type WrittenAs } from './source-words.ts';
import { parseSourceReference, type SourceReference } from './source-reference.ts';

/** What of a source is looked at for combinations that cannot work. */
export interface SourceTraits {
  readonly endpoint?: string | undefined;
  readonly anonymous: boolean;
  readonly requesterPays: boolean;
  /** Keys are named: a profile, a file, an environment, a secret. */
  readonly namesKeys: boolean;
  /** Certificate authorities are given. */
  readonly namesAuthorities: boolean;
}

/** A combination that cannot work. */
export interface SourceConflict {
  /** Which trait is at fault. */
  readonly trait: 'anonymous' | 'requesterPays' | 'namesAuthorities';
  /** To stand behind the trait's name. */
  readonly message: string;
}

/**
 * Looks for combinations that cannot work.
 * @param say how the place where they were written calls the option for keys, and the one for none
 */
export function sourceConflicts(
  traits: SourceTraits,
  say: { readonly keys: string; readonly anonymous: string },
): SourceConflict[] {
  const { endpoint, anonymous, requesterPays, namesKeys, namesAuthorities } = traits;
  const found: SourceConflict[] = [];
  if (anonymous && namesKeys) {
    found.push({ trait: 'anonymous', message: `goes without keys, so it cannot go together with ${say.keys}` });
  }
  if (anonymous && requesterPays) {
    const message = `needs keys of who pays, so it cannot go together with ${say.anonymous}`;
    found.push({ trait: 'requesterPays', message });
  }
  if (namesAuthorities && endpoint?.startsWith('http:') === true) {
    found.push({ trait: 'namesAuthorities', message: 'has no use with a plain http:// endpoint; write https://' });
  }
  return found;
}

/** The schema; its input is what the user wrote. */
export const SOURCE_OPTIONS = z
  .strictObject({
    source: z.string().describe('s3://BUCKET[/PREFIX]'),
    endpoint: values.endpoint.optional(),
    region: values.region.optional(),
    profile: values.profile.optional(),
    anonymous: z.boolean().default(false),
    pathStyle: z.boolean().default(false),
    caFile: z.string().min(1, 'write the path of a PEM file').optional(),
    requesterPays: z.boolean().default(false),
  })
  .superRefine(({ endpoint, anonymous, requesterPays, profile, caFile }, context) => {
    const traits = {
      endpoint,
      anonymous,
      requesterPays,
      namesKeys: profile !== undefined,
      namesAuthorities: caFile !== undefined,
    };
    for (const { trait, message } of sourceConflicts(traits, SOURCE_WORDS.options)) {
      context.addIssue({ code: 'custom', path: [trait === 'namesAuthorities' ? 'caFile' : trait], message });
    }
  });

/** What the user may write. */
export type SourceOptionsInput = z.input<typeof SOURCE_OPTIONS>;

/** Where keys are, when neither a profile nor the SDK's own chain is meant. They are read anew at each renewal. */
export type NamedKeys =
  /** Names of variables of the process. */
  | {
      readonly kind: 'environment';
      readonly accessKeyId: string;
      readonly secretAccessKey: string;
      /** Null: keys without a session. */
      readonly sessionToken: string | null;
    }
  /** A shared credentials file as all AWS tools know it, and a section of it. */
  | { readonly kind: 'file'; readonly path: string; readonly profile: string };

/** Checked options of a source. */
export interface SourceOptions {
  readonly reference: SourceReference;
  /** Origin and path without a trailing slash; null: AWS, or what the SDK's own configuration says. */
  readonly endpoint: string | null;
  /** Null: by the SDK's own chain. */
  readonly region: string | null;
  /** Null: by the SDK's own chain. */
  readonly profile: string | null;
  /** Null: by profile or chain. Never together with a profile. */
  readonly keys: NamedKeys | null;
  /** No signature at all. */
  readonly anonymous: boolean;
  /** The bucket in the path even where it could stand in the host name. */
  readonly pathStyle: boolean;
  /** PEM file of further trusted certificate authorities. */
  readonly caFile: string | null;
  /** The same as text. */
  readonly caPem: string | null;
  /** Tells the origin that the reader pays. */
  readonly requesterPays: boolean;
  /** Where it was written, for messages that ask for a change. */
  readonly written: WrittenAs;
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
    keys: null,
    caPem: null,
    caFile: caFile ?? null,
    written: 'options',
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
