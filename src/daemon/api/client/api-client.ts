/**
 * The API's client, as the command line uses it: a method for each endpoint of the contract, over the daemon's socket.
 *
 * Invariants:
 * 1. What the server answers is checked before anybody sees it; an error that it reports is thrown as the DlfsError it was.
 * 2. A call without an answer ends: connecting and each answer's beginning have a limit; a stream ends with its reader.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { DlfsError } from '../../../base/errors.ts';
import type { AnswerOf, Endpoint, RequestOf } from '../contract/endpoint.ts';
import { ENDPOINTS, type EndpointName } from '../contract/endpoints.ts';
import { MAX_BODY } from '../contract/requests.ts';

/** Milliseconds that an answer may take to begin; deleting waits for a mount to end. */
const ANSWER_LIMIT = 120_000;
/** The longest line or document that is taken, characters. */
const MAX_ANSWER = 256 * 1024 * 1024;

/** What is given with a call besides the request. */
export interface CallOptions {
  /** Ends the call; a job that it watches goes on. */
  readonly signal?: AbortSignal;
}

type Parts<Name extends EndpointName> = RequestOf<(typeof ENDPOINTS)[Name]>;
/** Parts that the endpoint does not have need not be given. */
type Given<Name extends EndpointName> = {
  readonly [Key in keyof Parts<Name> as Parts<Name>[Key] extends null ? never : Key]: Parts<Name>[Key];
};

/** See the file's header. */
export class ApiClient {
  /** Where it speaks to. */
  readonly socket: string;

  /** @param socket absolute path of the daemon's socket */
  constructor(socket: string) {
    this.socket = socket;
  }

  /**
   * Calls an endpoint.
   * @returns the answer, for a stream its lines
   * @throws DlfsError `no-daemon` where nobody listens, `timeout`, what the server says, or `internal` where the answer is
   *   not of the contract
   */
  async call<Name extends EndpointName>(
    name: Name,
    given: Given<Name>,
    options: CallOptions = {},
  ): Promise<AnswerOf<(typeof ENDPOINTS)[Name]>> {
    const endpoint: Endpoint = ENDPOINTS[name];
    const response = await this.#send(endpoint, given, options.signal);
    if (response.statusCode !== 200) throw await failureOf(response);
    if (endpoint.reply === 'lines') return linesOf(endpoint, response) as AnswerOf<(typeof ENDPOINTS)[Name]>;
    const body = await bodyOf(response);
    return check(endpoint, endpoint.reply === 'text' ? body : parse(body)) as AnswerOf<(typeof ENDPOINTS)[Name]>;
  }

  #send(
    endpoint: Endpoint,
    { params, query, body }: Partial<RequestOf<Endpoint>>,
    signal: AbortSignal | undefined,
  ): Promise<IncomingMessage> {
    const content = body === undefined || body === null ? null : Buffer.from(JSON.stringify(body));
    if (content !== null && content.length > MAX_BODY) {
      const size = `${content.length} bytes are more than the daemon takes in one request (${MAX_BODY})`;
      return Promise.reject(new DlfsError('invalid-argument', size));
    }
    return new Promise((resolve, reject) => {
      const request = httpRequest(
        {
          socketPath: this.socket,
          method: endpoint.method,
          path: pathOf(endpoint, params ?? null, query ?? null),
          headers: {
            host: 'dlfs',
            ...(content === null ? {} : { 'content-type': 'application/json', 'content-length': content.length }),
          },
          ...(signal === undefined ? {} : { signal }),
        },
        (response) => {
          // A stream may be quiet for as long as it likes.
          if (endpoint.reply === 'lines') request.setTimeout(0);
          resolve(response);
        },
      );
      request.setTimeout(ANSWER_LIMIT, () => {
        request.destroy(new DlfsError('timeout', `no answer from the daemon at ${this.socket}`));
      });
      request.once('error', (thrown) => reject(this.#explain(thrown, signal)));
      request.end(content ?? undefined);
    });
  }

  #explain(thrown: Error, signal: AbortSignal | undefined): DlfsError {
    if (thrown instanceof DlfsError) return thrown;
    if (signal?.aborted === true) return new DlfsError('interrupted', 'the call was given up', { cause: thrown });
    const { code } = thrown as NodeJS.ErrnoException;
    const start = 'start it with `dlfs daemon`, or name its socket with --socket';
    if (code === 'ENOENT') return new DlfsError('no-daemon', `no daemon: there is no socket ${this.socket}; ${start}`);
    if (code === 'ECONNREFUSED') return new DlfsError('no-daemon', `no daemon listens at ${this.socket}; ${start}`);
    if (code === 'EACCES' || code === 'EPERM') {
      return new DlfsError('privilege', `the daemon's socket ${this.socket} is for its owner only: call it by sudo`);
    }
    return new DlfsError('no-daemon', `the daemon at ${this.socket} hung up: ${thrown.message}`, { cause: thrown });
  }
}

function pathOf(endpoint: Endpoint, params: unknown, query: unknown): string {
  const path = endpoint.path.replace(/:([a-z]+)/g, (_, key: string) =>
    encodeURIComponent(String((params as Record<string, unknown>)[key])),
  );
  const search = new URLSearchParams();
  for (const [key, value] of Object.entries((query ?? {}) as Record<string, string | number | boolean | undefined>)) {
    if (value !== undefined) search.set(key, String(value));
  }
  return search.size === 0 ? path : `${path}?${search.toString()}`;
}

async function bodyOf(response: IncomingMessage): Promise<string> {
  let length = 0;
  response.on('data', (piece: Buffer) => {
    length += piece.length;
    if (length > MAX_ANSWER) response.destroy(new DlfsError('protocol', 'the daemon answers without end'));
  });
  try {
    return await text(response);
  } catch (thrown) {
    throw hungUp(thrown);
  }
}

/** What ends an answer in the middle. */
function hungUp(thrown: unknown): DlfsError {
  if (thrown instanceof DlfsError) return thrown;
  const message = 'the daemon hung up in the middle of its answer: look at its log, and ask again';
  return new DlfsError('no-daemon', message, { cause: thrown });
}

async function failureOf(response: IncomingMessage): Promise<DlfsError> {
  const plain = parse(await bodyOf(response));
  const error = typeof plain === 'object' && plain !== null && 'error' in plain ? plain.error : plain;
  return DlfsError.fromJSON(error);
}

function parse(body: string): unknown {
  try {
    return JSON.parse(body) as unknown;
  } catch (cause) {
    throw new DlfsError('protocol', 'what answers at the socket is no daemon of dlfs', { cause });
  }
}

function check(endpoint: Endpoint, value: unknown): unknown {
  const result = endpoint.answer.safeParse(value);
  if (result.success) return result.data;
  throw new DlfsError(
    'protocol',
    'the daemon answers in another way than this version expects: update both to the same',
    {
      cause: result.error,
    },
  );
}

async function* linesOf(endpoint: Endpoint, response: IncomingMessage): AsyncGenerator<unknown, void, void> {
  const lines = createInterface({ input: response, crlfDelay: Infinity });
  try {
    for await (const line of lines) {
      if (line === '') continue;
      const value = parse(line);
      if (typeof value === 'object' && value !== null && 'error' in value && Object.keys(value).length === 1) {
        throw DlfsError.fromJSON(value.error);
      }
      yield check(endpoint, value);
    }
  } catch (thrown) {
    throw hungUp(thrown);
  } finally {
    lines.close();
    response.destroy();
  }
}
