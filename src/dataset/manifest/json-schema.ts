/**
 * The manifest's schema as JSON Schema (2020-12), for editors and other programs. It is published in `schemas/`.
 *
 * Invariants:
 * 1. What the schema here refuses, the published one may take (rules across fields are not in it), never the other way round.
 */
import { z } from 'zod';
import { MANIFEST_SCHEMAS, type Profile } from './schema.ts';

/** Makes the JSON Schema of what may be written. */
export function manifestJsonSchema(profile: Profile): Readonly<Record<string, unknown>> {
  const { $schema, ...schema } = z.toJSONSchema(MANIFEST_SCHEMAS[profile], {
    io: 'input',
    override: ({ jsonSchema }) => {
      // "An object with its own defaults" says nothing.
      if (JSON.stringify(jsonSchema.default) === '{}') delete jsonSchema.default;
    },
  });
  return { $schema, title: `Dataset (${profile} profile)`, ...schema };
}
