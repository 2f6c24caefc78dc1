/**
 * Takes secrets out of text before it reaches a log, an error message or an API answer.
 *
 * How it works: texts lose the values of signing parameters, authorization headers, credentials in URLs and anything
 * shaped like `secret=…`; structured fields lose the values of keys whose name says secret.
 *
 * Invariants:
 * 1. Total: any text and any field value gives a result; cycles, throwing getters and huge values are cut short.
 * 2. It is the last net, not the method: code does not put a secret into a message in the first place.
 */

/** What stands in a secret's place. */
export const REDACTED = '[redacted]';

/** Longer texts are cut: an origin may put megabytes into an error body. */
const MAX_TEXT = 4096;

/** Deeper or wider values are cut: logs carry facts, not structures. */
const MAX_DEPTH = 6;
const MAX_ITEMS = 64;

const SECRET_KEY =
  /secret|passw(or)?d|authorization|credential|signature|session.?token|security.?token|private.?key|api.?key|access.?key/i;

const TEXT_RULES: readonly (readonly [RegExp, string])[] = [
  // Query parameters of a presigned URL.
  [/\b(X-Amz-(?:Signature|Credential|Security-Token))=[^&\s"'<>]+/gi, `$1=${REDACTED}`],
  // Header lines: the scheme stays, the rest of the line goes.
  [/\b((?:proxy-)?authorization)["']?\s*[:=]\s*["']?[^"'\r\n]+/gi, `$1: ${REDACTED}`],
  [/\b(x-amz-security-token)["']?\s*[:=]\s*["']?[^"'\s,;}]+/gi, `$1: ${REDACTED}`],
  // user:password@ in a URL.
  [/\b([a-z][a-z0-9+.-]*:\/\/)[^/\s@"']+@/gi, `$1${REDACTED}@`],
  // secret_access_key = …, "SecretAccessKey":"…", password: …
  [
    /\b((?:aws_?)?(?:secret_?(?:access_?)?key|session_?token|secret|password|passwd)(?:_id)?)(["']?\s*[:=]\s*["']?)[^"'\s,;&}]+/gi,
    `$1$2${REDACTED}`,
  ],
];

/**
 * A text without secrets, on one line of at most 4096 characters.
 * @param text anything a foreign component may have said
 */
export function redactText(text: string): string {
  const cut = text.length > MAX_TEXT ? `${text.slice(0, MAX_TEXT)}…` : text;
  return TEXT_RULES.reduce((done, [pattern, to]) => done.replace(pattern, to), cut).replace(/[\r\n]+/g, ' ');
}

/**
 * A value fit for a log line: secrets replaced, errors flattened, bigints as numbers or decimal text, bytes as their length.
 * @param value anything; the result shares nothing mutable with it
 */
export function redactValue(value: unknown): unknown {
  return walk(value, 0);
}

function walk(value: unknown, depth: number): unknown {
  switch (typeof value) {
    case 'string':
      return redactText(value);
    case 'bigint':
      return Number.isSafeInteger(Number(value)) ? Number(value) : value.toString();
    case 'function':
    case 'symbol':
      return `[${typeof value}]`;
    case 'object':
      break;
    default:
      return value;
  }
  if (value === null) return null;
  if (depth >= MAX_DEPTH) return '[deep]';
  try {
    return walkObject(value, depth);
  } catch {
    return '[unreadable]';
  }
}

function walkObject(value: object, depth: number): unknown {
  if (value instanceof Date) return Number.isNaN(value.getTime()) ? null : value.toISOString();
  if (ArrayBuffer.isView(value)) return `[${value.byteLength} bytes]`;
  if (Array.isArray(value)) return value.slice(0, MAX_ITEMS).map((item) => walk(item, depth + 1));
  const result: Record<string, unknown> = {};
  if (value instanceof Error) {
    result['name'] = value.name;
    result['message'] = redactText(value.message);
    if (value.cause !== undefined) result['cause'] = walk(value.cause, depth + 1);
  }
  for (const [key, item] of Object.entries(value).slice(0, MAX_ITEMS)) {
    result[key] = SECRET_KEY.test(key) && item !== null && item !== undefined ? REDACTED : walk(item, depth + 1);
  }
  return result;
}
