/**
 * Looks into a schema: which fields an object has, in what order, and what is said of them.
 *
 * Invariants:
 * 1. What wraps a schema (default, optional) is seen through; what it says is said of the field.
 */
import { z } from 'zod';

/** One field of a schema. */
export interface SchemaField {
  /** With dots: `spec.cache.quota.bytes`. */
  readonly path: string;
  readonly schema: z.ZodType;
  /** Whether it has fields of its own. */
  readonly inner: boolean;
}

/** The object within a schema; null: it is none. */
function objectOf(schema: z.ZodType): z.ZodObject | null {
  let inner: unknown = schema;
  for (;;) {
    if (inner instanceof z.ZodObject) return inner;
    if (inner instanceof z.ZodOptional || inner instanceof z.ZodDefault || inner instanceof z.ZodPrefault)
      inner = inner.unwrap();
    else return null;
  }
}

/** The fields of an object in order; null where the schema is no object. */
export function shapeOf(schema: z.ZodType): Readonly<Record<string, z.ZodType>> | null {
  return (objectOf(schema)?.shape as Readonly<Record<string, z.ZodType>> | undefined) ?? null;
}

/** The schema at a path; null where the schema has no such field. */
export function schemaAt(schema: z.ZodType, path: readonly PropertyKey[]): z.ZodType | null {
  let at: z.ZodType | null = schema;
  for (const part of path) {
    const shape: Readonly<Record<string, z.ZodType>> | null = at === null ? null : shapeOf(at);
    at = shape !== null && Object.hasOwn(shape, part) ? (shape[String(part)] ?? null) : null;
  }
  return at;
}

/** All fields, an object before its own. */
export function fieldsOf(schema: z.ZodType, above = ''): SchemaField[] {
  return Object.entries(shapeOf(schema) ?? {}).flatMap(([key, field]) => {
    const path = above === '' ? key : `${above}.${key}`;
    const below = fieldsOf(field, path);
    return [{ path, schema: field, inner: below.length > 0 }, ...below];
  });
}

/**
 * A value with its keys in the schema's order, as plain objects.
 * @param value what the schema took; keys that the schema does not name come last, by the alphabet
 */
export function inOrder(value: unknown, schema: z.ZodType | null): unknown {
  if (Array.isArray(value)) return value.map((item) => inOrder(item, null));
  if (typeof value !== 'object' || value === null) return value;
  const shape = schema === null ? null : shapeOf(schema);
  const named = Object.keys(shape ?? {}).filter((key) => Object.hasOwn(value, key));
  const others = Object.keys(value)
    .filter((key) => !named.includes(key))
    .sort();
  return Object.fromEntries(
    [...named, ...others].map((key) => [key, inOrder((value as Record<string, unknown>)[key], shape?.[key] ?? null)]),
  );
}
