/**
 * What an error answer of S3 means: one total function for both paths, the SDK's listings and the lean GETs.
 *
 * The error code in the body decides where there is one; else the status. What the meaning asks of the caller beside the
 * error itself (correct the clock, renew the credentials) is given back as `remedy`: this function does nothing itself.
 *
 * Invariants:
 * 1. Total: each status and body give a failure.
 * 2. `retryable` of a failure with a remedy means: once the remedy has changed something.
 * 3. A message names the bucket or endpoint and the way out, and quotes of the server at most its code and one short sentence.
 */
import type { ErrorCode } from '../../base/errors.ts';
import type { SourceWords } from '../../dataset/source-words.ts';
import { sourceFailure } from '../source-failure.ts';
import type { SourceFailure } from '../source.ts';
import type { ErrorReply } from './error-reply.ts';

/** Names for the messages. */
export interface Origin {
  readonly bucket: string;
  /** For example `https://bucket.s3.eu-west-1.amazonaws.com`. */
  readonly endpoint: string;
  readonly region: string;
  readonly anonymous: boolean;
  /** Where the keys come from, for people: `profile x` or `the environment or ~/.aws`. */
  readonly keysFrom: string;
  /** Whether the endpoint was named by the user rather than derived from the region. */
  readonly custom: boolean;
  /** What the source's options are called where they were written. */
  readonly words: SourceWords;
}

/** An error answer. */
export interface ErrorAnswer {
  readonly operation: 'list' | 'get';
  readonly status: number;
  readonly reply: ErrorReply;
  /** x-amz-bucket-region. */
  readonly region: string | null;
  /** Milliseconds. */
  readonly retryAfterMs: number | null;
}

/** What to do before another try. */
export type Remedy = 'none' | 'correct-clock' | 'renew-credentials';

/** The verdict. */
export interface Verdict {
  readonly failure: SourceFailure;
  readonly remedy: Remedy;
}

type Rule = (answer: ErrorAnswer, origin: Origin) => Verdict;

/** Classifies an answer that is none of success. */
export function classify(answer: ErrorAnswer, origin: Origin): Verdict {
  const rule = BY_CODE.get(answer.reply.code ?? '') ?? byFamily(answer);
  return rule(answer, origin);
}

const archived: Rule = () => verdict('archived', 'the object is in an archive class: restore it at the origin first');
const changed: Rule = () =>
  verdict('changed-at-origin', 'the object at the origin is another version than the one listed');
const gone: Rule = () => verdict('gone', 'the object is no longer at the origin');
const noBucket: Rule = (_, { bucket, endpoint, custom, words }) =>
  verdict(
    'bucket-not-found',
    `bucket "${bucket}" does not exist at ${endpoint}: check the name${custom ? '' : `, or name its server with ${words.endpoint}`}`,
  );

const denied: Rule = (answer, { bucket, anonymous, keysFrom, words }) => {
  const need = answer.operation === 'list' ? 's3:ListBucket on its prefix' : 's3:GetObject';
  const who = anonymous ? `readers without keys (${words.anonymous})` : `the keys of ${keysFrom}`;
  return verdict('access-denied', `bucket "${bucket}" refuses ${who}: ${need} is needed${said(answer)}`);
};

/** Keys may have been replaced since they were loaded: whoever holds them tries once whether the chain now gives others. */
const wrongKeys: Rule = (answer, { endpoint, keysFrom, anonymous, words }) =>
  anonymous
    ? verdict('unauthenticated', `${endpoint} wants keys${said(answer)}: leave out ${words.anonymous}`)
    : verdict(
        'unauthenticated',
        `${endpoint} does not accept the keys of ${keysFrom}${said(answer)}: check them, or name others with ${words.keys}`,
        {
          retryable: true,
          remedy: 'renew-credentials',
        },
      );

const expired: Rule = (answer, { keysFrom }) =>
  verdict('unauthenticated', `the keys of ${keysFrom} have expired${said(answer)}: renew them`, {
    retryable: true,
    remedy: 'renew-credentials',
  });

const skewed: Rule = (_, { endpoint }) =>
  verdict('unauthenticated', `the clocks of this machine and of ${endpoint} differ too much: set this machine's`, {
    retryable: true,
    remedy: 'correct-clock',
  });

const otherRegion: Rule = (answer, { bucket, region, words }) => {
  const right = answer.reply.region ?? answer.region;
  return right === null || right === region
    ? verdict('region-mismatch', `bucket "${bucket}" is not in region ${region}: name its own with ${words.region}`)
    : verdict(
        'region-mismatch',
        `bucket "${bucket}" is in region ${right}, not in ${region}: use ${words.region}${words.is}${right}`,
      );
};

const slowDown: Rule = (answer, { endpoint }) =>
  verdict('throttled', `${endpoint} asks to slow down (${name(answer)})`, { retryAfterMs: answer.retryAfterMs });

const troubled: Rule = (answer, { endpoint }) =>
  verdict('endpoint-unreachable', `${endpoint} failed with ${name(answer)}`, {
    retryable: true,
    retryAfterMs: answer.retryAfterMs,
  });

const slow: Rule = (answer, { endpoint }) =>
  verdict('timeout', `${endpoint} gave up waiting (${name(answer)})`, { retryAfterMs: answer.retryAfterMs });

const badRange: Rule = () =>
  verdict('protocol', 'the origin says that the range is outside the object, although it listed that size', {
    retryable: false,
  });

const encrypted: Rule = (answer) =>
  /server.side encryption|SSE-C/i.test(answer.reply.message ?? '')
    ? verdict('unsupported', 'the object is encrypted with a key of its owner (SSE-C), which dlfs does not have')
    : refused(answer, null);

const noSuchOperation: Rule = (answer, { endpoint, words }) =>
  verdict(
    'endpoint-not-s3',
    `${endpoint} does not know ${answer.operation === 'list' ? 'ListObjectsV2' : 'GetObject with a range'} (${name(answer)}): check ${words.endpoint}`,
  );

const badName: Rule = (_, { bucket, endpoint }) =>
  verdict('invalid-argument', `${endpoint} does not take "${bucket}" for a bucket's name`);

/** A refusal that no rule knows: a fault of ours or of the server; the same request would be refused again. */
const refused = (answer: ErrorAnswer, origin: Origin | null): Verdict =>
  verdict(
    'protocol',
    `${origin?.endpoint ?? 'the origin'} refused a ${answer.operation === 'list' ? 'listing' : 'read'} with ${name(answer)}${said(answer)}`,
    {
      retryable: false,
    },
  );

const notS3: Rule = (answer, { endpoint }) => {
  const plain = endpoint.startsWith('http:') && answer.status === 400;
  const way = plain ? 'if it speaks TLS, write https://' : 'name the S3 endpoint itself, not a web page in front of it';
  return verdict('endpoint-not-s3', `${endpoint} answers with status ${answer.status} and no S3 error: ${way}`);
};

const BY_CODE: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['NoSuchKey', gone],
  ['NoSuchVersion', gone],
  ['NoSuchBucket', noBucket],
  ['PreconditionFailed', changed],
  ['InvalidObjectState', archived],
  ['AccessDenied', denied],
  ['AccessForbidden', denied],
  ['AllAccessDisabled', denied],
  ['AccountProblem', denied],
  ['InvalidPayer', denied],
  ['UnauthorizedAccess', denied],
  ['InvalidAccessKeyId', wrongKeys],
  ['SignatureDoesNotMatch', wrongKeys],
  ['InvalidSecurity', wrongKeys],
  ['InvalidToken', wrongKeys],
  ['InvalidClientTokenId', wrongKeys],
  ['UnrecognizedClientException', wrongKeys],
  ['NotSignedUp', wrongKeys],
  ['ExpiredToken', expired],
  ['ExpiredTokenException', expired],
  ['TokenRefreshRequired', expired],
  ['RequestTimeTooSkewed', skewed],
  ['RequestExpired', skewed],
  ['RequestInTheFuture', skewed],
  ['PermanentRedirect', otherRegion],
  ['TemporaryRedirect', otherRegion],
  ['Redirect', otherRegion],
  ['IllegalLocationConstraintException', otherRegion],
  ['SlowDown', slowDown],
  ['SlowDownRead', slowDown],
  ['Throttling', slowDown],
  ['ThrottlingException', slowDown],
  ['RequestLimitExceeded', slowDown],
  ['TooManyRequests', slowDown],
  ['TooManyRequestsException', slowDown],
  ['ServiceUnavailable', slowDown],
  ['XMinioServerNotInitialized', troubled],
  ['InternalError', troubled],
  ['InternalFailure', troubled],
  ['OperationAborted', troubled],
  ['RequestTimeout', slow],
  ['InvalidRange', badRange],
  ['InvalidRequest', encrypted],
  ['NotImplemented', noSuchOperation],
  ['MethodNotAllowed', noSuchOperation],
  ['InvalidBucketName', badName],
]);

function byFamily(answer: ErrorAnswer): Rule {
  const { code } = answer.reply;
  // Without a region in it, the complaint is about the signature itself.
  if (code === 'AuthorizationHeaderMalformed')
    return (answer.reply.region ?? answer.region) === null ? wrongKeys : otherRegion;
  if (code?.startsWith('KMS.') === true) return denied;
  return byStatus(answer);
}

function byStatus(answer: ErrorAnswer): Rule {
  const { status, operation, reply } = answer;
  if (status === 429) return slowDown;
  if (status === 503) return reply.kind === 's3' ? slowDown : troubled;
  if (status === 504 || status === 408) return slow;
  if (status >= 500) return troubled;
  // Proxies and web servers answer with pages of their own; S3 itself never does.
  if (reply.kind === 'html' || (reply.kind === 'other' && operation === 'list')) return notS3;
  if (status === 301 || status === 307 || status === 308) return otherRegion;
  if (status === 401) return wrongKeys;
  if (status === 403) return denied;
  if (status === 404 && reply.kind !== 's3') return operation === 'get' ? gone : notS3;
  if (status === 412) return changed;
  if (status === 416) return badRange;
  return status >= 300 && status < 400 ? otherRegion : refused;
}

function verdict(
  code: ErrorCode,
  message: string,
  options: { readonly retryable?: boolean; readonly retryAfterMs?: number | null; readonly remedy?: Remedy } = {},
): Verdict {
  const { remedy = 'none', ...rest } = options;
  return { failure: sourceFailure(code, message, rest), remedy };
}

function name({ status, reply }: ErrorAnswer): string {
  return reply.code === null ? `status ${status}` : `${status} ${reply.code}`;
}

/** The server's own words, in brackets. */
function said({ reply }: ErrorAnswer): string {
  const words = [reply.code, reply.message].filter((word) => word !== null).join(': ');
  return words === '' ? '' : ` (${words})`;
}
