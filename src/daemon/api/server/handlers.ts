/**
 * What serves each endpoint: a function by its name, given a checked request.
 */
import type { Logger } from '../../../base/log.ts';
import type { AnswerOf, CheckedRequestOf } from '../contract/endpoint.ts';
import type { ENDPOINTS, EndpointName } from '../contract/endpoints.ts';

/** What a handler knows besides the request. */
export interface Call {
  /** Aborted when the client has gone: what streams must end; jobs go on. */
  readonly signal: AbortSignal;
  /** Of this request: its lines carry the request's id. */
  readonly log: Logger;
}

/** A stream may have nulls in it: they begin an answer that has nothing to say yet. */
type Served<Answer> = Answer extends AsyncIterable<infer Line> ? AsyncIterable<Line | null> : Answer;

/** Serves one endpoint. @throws DlfsError, which the client gets as it is */
export type Handler<Name extends EndpointName> = (
  request: CheckedRequestOf<(typeof ENDPOINTS)[Name]>,
  call: Call,
) => Served<AnswerOf<(typeof ENDPOINTS)[Name]>> | Promise<Served<AnswerOf<(typeof ENDPOINTS)[Name]>>>;

/** Serves all. */
export type Handlers = { readonly [Name in EndpointName]: Handler<Name> };
