/**
 * What one endpoint of the API is: method, path, what goes in, what comes out. The table of all is `endpoints.ts`; server, client and
 * OpenAPI document are made of it.
 */
import type { z } from 'zod';

/** What an endpoint answers with. */
export type ReplyKind =
  /** One JSON document. */
  | 'json'
  /** JSON documents, one a line, while the answer lasts: `application/x-ndjson`. */
  | 'lines'
  /** Text as it is. */
  | 'text';

/** One endpoint. */
export interface Endpoint {
  readonly method: 'GET' | 'PUT' | 'POST' | 'DELETE';
  /** Segments that start with a colon are parameters. */
  readonly path: string;
  /** For the OpenAPI document, a sentence. */
  readonly summary: string;
  /** Parameters of the path; null: none. */
  readonly params: z.ZodObject | null;
  /** Parameters behind the question mark, all strings; null: none. */
  readonly query: z.ZodObject | null;
  /** The JSON document in the request; null: none. */
  readonly body: z.ZodType | null;
  readonly reply: ReplyKind;
  /** The answer, or each of its lines; for text a string. */
  readonly answer: z.ZodType;
}

type InputOf<Part> = Part extends z.ZodType ? z.input<Part> : null;
type OutputOf<Part> = Part extends z.ZodType ? z.output<Part> : null;

/** What a caller gives. */
export interface RequestOf<E extends Endpoint> {
  readonly params: InputOf<E['params']>;
  readonly query: InputOf<E['query']>;
  readonly body: InputOf<E['body']>;
}

/** What a handler is given, checked. */
export interface CheckedRequestOf<E extends Endpoint> {
  readonly params: OutputOf<E['params']>;
  readonly query: OutputOf<E['query']>;
  readonly body: OutputOf<E['body']>;
}

/** What a caller gets. */
export type AnswerOf<E extends Endpoint> = E['reply'] extends 'lines'
  ? AsyncIterable<z.output<E['answer']>>
  : z.output<E['answer']>;
