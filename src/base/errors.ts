/**
 * The one error class of dlfs.
 *
 * A failure is a `DlfsError` from the place that understands it on: it has a code of the closed set (`errors/code.ts`), a
 * message for the user, and the names of what it concerns. Boundaries translate by table: `errors/errno.ts` (FUSE),
 * `errors/grpc.ts` (CSI), `errors/exit.ts` (command line). What comes from elsewhere enters by `DlfsError.from`.
 *
 * Invariants:
 * 1. The message is one line without secrets: what failed and, where there is one, the way out. The dataset and the key
 *    stand in fields, not in the message; `describe()` joins them.
 * 2. `from` is total and idempotent: a DlfsError comes back as itself, an unknown value becomes `internal`.
 * 3. Errors are immutable; `with` makes a copy that keeps the first as its cause's origin and stack.
 */
import { ERROR_CODES, isErrorCode, type ErrorCode } from './errors/code.ts';
import { codeOfForeign, peek } from './errors/foreign.ts';
import { printable } from './printable.ts';
import { redactText } from './redact.ts';

export type { ErrorCode } from './errors/code.ts';

/** What an error concerns; each part is known at another layer, hence optional. */
export interface ErrorContext {
  /** Full name of the dataset, `<namespace>/<name>`, or the source's URL where there is no dataset. */
  readonly dataset?: string;
  /** The object's key, or the path within the mount. */
  readonly key?: string;
}

/** Options of a new error. */
export interface DlfsErrorOptions extends ErrorContext {
  /** What was caught; kept whole for the log, never shown to the user. */
  readonly cause?: unknown;
  /** Overrides the code's default. */
  readonly retryable?: boolean;
}

/** A DlfsError as plain data: what crosses a worker's port or the HTTP API. The cause stays behind. */
export interface PlainError extends ErrorContext {
  readonly code: ErrorCode;
  readonly message: string;
  readonly retryable: boolean;
}

/** The one error class; see the file's header. */
export class DlfsError extends Error {
  /** What is wrong, of the closed set. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later although nobody changed anything. */
  readonly retryable: boolean;
  /** Which dataset it concerns, if one. */
  readonly dataset: string | undefined;
  /** Which key or path it concerns, if one. */
  readonly key: string | undefined;

  /**
   * @param code what is wrong
   * @param message what failed and what to do; line breaks and secrets are taken out
   * @param options cause, context, and `retryable` where it differs from the code's default
   */
  constructor(code: ErrorCode, message: string, options: DlfsErrorOptions = {}) {
    super(redactText(message), options.cause === undefined ? undefined : { cause: options.cause });
    this.name = 'DlfsError';
    this.code = code;
    this.retryable = options.retryable ?? ERROR_CODES[code].retryable;
    this.dataset = options.dataset;
    this.key = options.key;
  }

  /**
   * Makes a DlfsError of anything that was thrown; never throws itself.
   * @param thrown a DlfsError (returned as it is, or with the context added where it had none), an error of Node,
   *   OpenSSL or undici (its code is recognised), or any other value (`internal`)
   * @param context names that the caller knows
   */
  static from(thrown: unknown, context: ErrorContext = {}): DlfsError {
    if (isDlfsError(thrown)) return thrown.with(context);
    return new DlfsError(codeOfForeign(thrown) ?? 'internal', messageOf(thrown), { ...context, cause: thrown });
  }

  /**
   * The same error with more context. What is set already stays: the inner layer knows better.
   * @returns this error itself where nothing is added
   */
  with(context: ErrorContext): DlfsError {
    const dataset = this.dataset ?? context.dataset;
    const key = this.key ?? context.key;
    if (dataset === this.dataset && key === this.key) return this;
    const copy = new DlfsError(this.code, this.message, {
      retryable: this.retryable,
      ...(this.cause === undefined ? {} : { cause: this.cause }),
      ...(dataset === undefined ? {} : { dataset }),
      ...(key === undefined ? {} : { key }),
    });
    if (this.stack !== undefined) copy.stack = this.stack;
    return copy;
  }

  /** Plain data for a worker's port or the HTTP API; `fromJSON` reads it. */
  toJSON(): PlainError {
    return {
      code: this.code,
      message: this.message,
      retryable: this.retryable,
      ...(this.dataset === undefined ? {} : { dataset: this.dataset }),
      ...(this.key === undefined ? {} : { key: this.key }),
    };
  }

  /**
   * The error that `toJSON` described.
   * @param plain what came in; where it is not of that shape, the result is an `internal` or `from`'s reading of it
   */
  static fromJSON(plain: unknown): DlfsError {
    const code = peek(plain, 'code');
    const message = peek(plain, 'message');
    if (!isErrorCode(code) || typeof message !== 'string') return DlfsError.from(plain);
    const [retryable, dataset, key] = [peek(plain, 'retryable'), peek(plain, 'dataset'), peek(plain, 'key')];
    return new DlfsError(code, message, {
      ...(typeof retryable === 'boolean' ? { retryable } : {}),
      ...(typeof dataset === 'string' ? { dataset } : {}),
      ...(typeof key === 'string' ? { key } : {}),
    });
  }

  /** One line for people: what it concerns, then the message. Without cause and stack. */
  describe(): string {
    const names = [this.dataset, this.key]
      .filter((name) => name !== undefined)
      .map((name) => redactText(printable(name)));
    return names.length === 0 ? this.message : `${names.join(': ')}: ${this.message}`;
  }
}

/** `instanceof` that survives a revoked proxy. */
function isDlfsError(thrown: unknown): thrown is DlfsError {
  try {
    return thrown instanceof DlfsError;
  } catch {
    return false;
  }
}

function messageOf(thrown: unknown): string {
  const message = typeof thrown === 'string' ? thrown : peek(thrown, 'message');
  if (typeof message === 'string' && message !== '') return message;
  const inner = peek(peek(peek(thrown, 'errors'), '0'), 'message'); // an AggregateError's own message is empty
  if (typeof inner === 'string' && inner !== '') return inner;
  const code = peek(thrown, 'code');
  return typeof code === 'string' ? code : 'unknown failure';
}
