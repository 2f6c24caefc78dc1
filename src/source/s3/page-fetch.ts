/**
 * Fetches one page of a listing through the SDK's client.
 *
 * The SDK resolves the endpoint, signs, and corrects its clock; the answer is read by our own parser. For that a middleware
 * next to the wire takes the body out before the SDK's reader sees it, and leaves an empty result in its place. An error
 * answer is left to the SDK too (it reads the server's time from it), but what is thrown is our own reading of it.
 *
 * Invariants:
 * 1. The result is a whole, valid page, or a SourceFailure is thrown; the SDK's exceptions do not get out.
 */
import { ListObjectsV2Command, type ListObjectsV2CommandInput, type S3Client } from '@aws-sdk/client-s3';
import type { Clock } from '../../base/clock.ts';
import { DlfsError } from '../../base/errors.ts';
import { parseRetryAfter, sourceFailure } from '../source-failure.ts';
import { classify, type Origin, type Remedy } from './classify.ts';
import { parseErrorReply } from './error-reply.ts';
import type { CarriedResponse } from './http-carrier.ts';
import { parseListResult, type ListResult } from './list-result.ts';
import { networkFailure, type Destination } from './network-failure.ts';

/** What a fetch needs. */
export interface PageFetchOptions {
  readonly client: S3Client;
  readonly origin: Origin;
  readonly destination: Destination;
  readonly clock: Pick<Clock, 'wall'>;
  /** Called with what a refusal asks for, before it is thrown. */
  readonly onRefused: (remedy: Remedy) => void;
}

/** The page that the SDK reads instead of the one that came. */
const EMPTY_RESULT = Buffer.from('<ListBucketResult/>');

/**
 * Fetches a page once.
 * @throws DlfsError a SourceFailure
 */
export async function fetchPage(
  input: ListObjectsV2CommandInput,
  options: PageFetchOptions,
  signal: AbortSignal,
): Promise<ListResult> {
  const command = new ListObjectsV2Command(input);
  let taken: { response: CarriedResponse; body: Buffer } | null = null;
  command.middlewareStack.add(
    (next) => async (args) => {
      const result = await next(args);
      const response = result.response as CarriedResponse;
      taken = { response, body: Buffer.from(response.body.buffer, response.body.byteOffset, response.body.byteLength) };
      if (response.statusCode === 200) response.body = EMPTY_RESULT;
      return result;
    },
    { step: 'deserialize', priority: 'low', name: 'dlfsTakeBody' },
  );
  try {
    await options.client.send(command, { abortSignal: signal });
  } catch (thrown) {
    const refused = taken as { response: CarriedResponse; body: Buffer } | null;
    if (refused === null) throw networkFailure(thrown, options.destination);
    if (refused.response.statusCode === 200)
      throw new DlfsError('internal', 'the SDK did not take the listing', { cause: thrown });
    throw refusal(refused.response, refused.body, options);
  }
  const answer = taken as { response: CarriedResponse; body: Buffer } | null;
  if (answer === null) throw new DlfsError('internal', 'the SDK answered a listing without asking');
  return read(answer.response, answer.body, options);
}

function read(response: CarriedResponse, body: Buffer, options: PageFetchOptions): ListResult {
  // S3 may find its error after it has begun to answer 200.
  if (response.statusCode !== 200 || parseErrorReply(body.subarray(0, 4096)).kind === 's3')
    throw refusal(response, body, options);
  try {
    return parseListResult(body, options.clock.wall());
  } catch (thrown) {
    const error = DlfsError.from(thrown);
    // What listed like that may be S3 with a fault, or something else altogether: that much only the user can tell.
    const { endpoint, words } = options.origin;
    throw sourceFailure(error.code, `${endpoint}: ${error.message}; check ${words.endpoint}`, {
      cause: error,
      retryable: error.retryable,
    });
  }
}

function refusal(response: CarriedResponse, body: Buffer, { origin, clock, onRefused }: PageFetchOptions): DlfsError {
  const { headers, statusCode } = response;
  const verdict = classify(
    {
      operation: 'list',
      status: statusCode === 200 ? 500 : statusCode,
      reply: parseErrorReply(body),
      region: headers['x-amz-bucket-region'] ?? null,
      retryAfterMs: parseRetryAfter(headers['retry-after'] ?? null, clock.wall()),
    },
    origin,
  );
  onRefused(verdict.remedy);
  return verdict.failure;
}
