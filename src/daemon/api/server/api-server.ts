/**
 * The API's server: Hono's routes made of the contract, on a Unix socket.
 *
 * A request is numbered, checked against the contract, handed to its handler; what comes back is written as one JSON document, as text,
 * or line by line. An error becomes its JSON form with a status of its code. Who may speak is the socket's mode: root.
 *
 * Invariants:
 * 1. A handler sees only what its schemas have accepted; a body is cut off at `MAX_BODY` bytes.
 * 2. Every request ends with one answer and one line in the log, the request's id in both.
 * 3. A client that reads slowly or goes away holds nothing but its own stream: lines wait for it, and end with it.
 */
import { createAdaptorServer } from '@hono/node-server';
import { Hono, type Context } from 'hono';
import { bodyLimit } from 'hono/body-limit';
import { stream } from 'hono/streaming';
import type { Server } from 'node:http';
import type { z } from 'zod';
import type { Clock } from '../../../base/clock.ts';
import { DlfsError } from '../../../base/errors.ts';
import type { Logger } from '../../../base/log.ts';
import type { Endpoint } from '../contract/endpoint.ts';
import { ENDPOINTS, type EndpointName } from '../contract/endpoints.ts';
import { MAX_BODY } from '../contract/requests.ts';
import { httpStatusOf } from '../http-status.ts';
import type { Call, Handlers } from './handlers.ts';
import { listenAt } from './socket.ts';

/** What the server is made of. */
export interface ApiServerOptions {
  /** Absolute path of the socket. */
  readonly socket: string;
  readonly handlers: Handlers;
  readonly clock: Pick<Clock, 'monotonic' | 'startTimer'>;
  readonly log: Logger;
}

/** Milliseconds that answers under way may take when the server closes. */
const CLOSE_LIMIT = 1000;
/** An idle connection and a request's head may take so long, milliseconds. */
const REQUEST_LIMIT = 30_000;

/** See the file's header. */
export class ApiServer implements AsyncDisposable {
  /** Where it listens. */
  readonly socket: string;
  readonly #server: Server;
  readonly #place: AsyncDisposable;
  readonly #stop: AbortController;
  readonly #clock: Pick<Clock, 'startTimer'>;

  private constructor(options: ApiServerOptions, server: Server, place: AsyncDisposable, stop: AbortController) {
    this.socket = options.socket;
    this.#clock = options.clock;
    this.#server = server;
    this.#place = place;
    this.#stop = stop;
  }

  /**
   * Starts to serve.
   * @throws DlfsError as `listenAt` says
   */
  static async open(options: ApiServerOptions): Promise<ApiServer> {
    const stop = new AbortController();
    const server = createAdaptorServer({ fetch: routesOf(options, stop.signal).fetch }) as Server;
    server.headersTimeout = REQUEST_LIMIT;
    server.requestTimeout = REQUEST_LIMIT;
    const place = await listenAt(server, options.socket);
    server.on('error', (err) => {
      options.log.warn('a connection could not be taken', { err });
    });
    return new ApiServer(options, server, place, stop);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#place[Symbol.asyncDispose]();
    this.#stop.abort();
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeIdleConnections();
    using _force = this.#clock.startTimer(CLOSE_LIMIT, () => this.#server.closeAllConnections());
    await closed;
  }
}

/** What a route's context carries. */
interface Variables {
  readonly id: string;
}

function routesOf({ handlers, clock, log }: ApiServerOptions, stopped: AbortSignal): Hono<{ Variables: Variables }> {
  const app = new Hono<{ Variables: Variables }>();
  let next = 1;
  app.use(async (context, proceed) => {
    const id = `r${next}`;
    next += 1;
    context.set('id', id);
    context.header('x-request-id', id);
    const begun = clock.monotonic();
    await proceed();
    log.debug('answered', {
      request: id,
      method: context.req.method,
      path: context.req.path,
      status: context.res.status,
      ms: Math.round(clock.monotonic() - begun),
    });
  });
  app.use(
    bodyLimit({
      maxSize: MAX_BODY,
      onError: (context) =>
        refuse(context, new DlfsError('invalid-argument', `a request has at most ${MAX_BODY} bytes`)),
    }),
  );
  for (const name of Object.keys(ENDPOINTS) as EndpointName[]) {
    const endpoint: Endpoint = ENDPOINTS[name];
    const handler = handlers[name] as (request: unknown, call: Call) => unknown;
    app.on(endpoint.method, endpoint.path, async (context) => {
      const call = {
        signal: AbortSignal.any([context.req.raw.signal, stopped]),
        log: log.child('request', { request: context.get('id') }),
      };
      const request = await checked(endpoint, context);
      return await answer(context, endpoint, await handler(request, call), call);
    });
  }
  app.notFound((context) =>
    refuse(context, new DlfsError('not-found', `the API has nothing at ${context.req.method} ${context.req.path}`)),
  );
  app.onError((thrown, context) => {
    const error = DlfsError.from(thrown);
    if (error.code === 'internal') log.error('a request failed', { request: context.get('id'), err: thrown });
    return refuse(context, error);
  });
  return app;
}

/** Checks all parts of a request. @throws DlfsError `invalid-argument` naming the part and the place */
async function checked(endpoint: Endpoint, context: Context): Promise<unknown> {
  const query = endpoint.query === null ? null : parse('query', endpoint.query, context.req.query());
  const params = endpoint.params === null ? null : parse('path', endpoint.params, context.req.param());
  const body = endpoint.body === null ? null : parse('body', endpoint.body, await json(context));
  return { params, query, body };
}

async function json(context: Context): Promise<unknown> {
  try {
    return await context.req.json();
  } catch (cause) {
    throw new DlfsError('invalid-argument', 'the request is no JSON document', { cause });
  }
}

function parse(part: string, schema: z.ZodType, value: unknown): unknown {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const [issue] = result.error.issues;
  const place = issue === undefined || issue.path.length === 0 ? '' : ` at ${issue.path.map(String).join('.')}`;
  throw new DlfsError(
    'invalid-argument',
    `the request's ${part} is not as it should be${place}: ${issue?.message ?? ''}`,
  );
}

async function answer(context: Context, endpoint: Endpoint, value: unknown, call: Call): Promise<Response> {
  switch (endpoint.reply) {
    case 'json':
      return context.json(value as object);
    case 'text':
      return context.text(String(value));
    case 'lines': {
      // The first line is had before the answer begins: what fails at once still has a status.
      const lines = (value as AsyncIterable<unknown>)[Symbol.asyncIterator]();
      const first = await lines.next();
      context.header('content-type', 'application/x-ndjson');
      return stream(context, (output) => writeLines(lines, first, output, call));
    }
  }
}

/** Writes lines until they end or the client has gone. An error in between is the last line. */
async function writeLines(
  lines: AsyncIterator<unknown>,
  first: IteratorResult<unknown>,
  output: { readonly aborted: boolean; write(text: string): Promise<unknown> },
  { signal, log }: Call,
): Promise<void> {
  try {
    for (let step = first; step.done !== true && !output.aborted && !signal.aborted; step = await lines.next()) {
      await output.write(step.value === null ? '\n' : `${JSON.stringify(step.value)}\n`);
    }
  } catch (thrown) {
    const error = DlfsError.from(thrown);
    if (error.code === 'interrupted') return;
    if (error.code === 'internal') log.error('a stream failed', { err: thrown });
    await output.write(`${JSON.stringify({ error: error.toJSON() })}\n`);
  } finally {
    await lines.return?.();
  }
}

function refuse(context: Context, error: DlfsError): Response {
  return context.json({ error: error.toJSON() }, httpStatusOf(error.code) as 400);
}
