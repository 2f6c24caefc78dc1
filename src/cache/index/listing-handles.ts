/**
 * Listings as their callers hold them: pages in, changes of names out.
 *
 * The caller asks the source for pages and hands each to a handle; a promise says when the page is applied, and that is the
 * back-pressure. A handle that is not finished is aborted by disposing it.
 *
 * Invariants:
 * 1. A handle ends once: by `finish` or by disposal; after that it takes nothing.
 * 2. Names decided by a directory's first listing are visible to the reader before `decided` says so.
 */
import { DlfsError } from '../../base/errors.ts';
import { compareKeys, type ListPage } from '../../dataset/listing.ts';
import type { CallName, Calls, CoverResult, OutcomeResult, PageResult } from './protocol.ts';
import type { NameChange } from './rows.ts';
import type { WriterPort } from './writer-port.ts';

/** Why a listing takes no more: it is longer than its limit, or its directory is gone. */
export type ListingStop = 'list-limit' | 'gone';

/** What a page did. */
export interface PageEffect {
  /** Names whose meaning has changed now, the caches of which are to be told. Most pages change none. */
  readonly changes: AsyncGenerator<readonly NameChange[], void, undefined>;
  /** Set: no further page is of use; `finish` tells the same. */
  readonly stopped: ListingStop | null;
}

/** How a listing ended. */
export interface ListingOutcome {
  /** Null: complete, and in effect. */
  readonly stopped: ListingStop | null;
  /** Files. */
  readonly added: number;
  /** Files, by version or attributes. */
  readonly changed: number;
  /** Files. */
  readonly removed: number;
  /** More names changed than are told: drop all that is cached. */
  readonly overflow: boolean;
  /** Names whose meaning has changed and that have not been told yet, in batches; to be read to its end. */
  readonly changes: AsyncGenerator<readonly NameChange[], void, undefined>;
}

/** How a part of the whole source is listed: a directory with a delimiter, or all below it without. */
export type ShardKind = 'level' | 'subtree';

/** Makes the numbers that name listings and shards in requests. */
export type LaneSource = () => number;

/** What both kinds of handle share. */
class Handle {
  protected readonly port: WriterPort;
  protected readonly lane: number;
  protected ended = false;

  constructor(port: WriterPort, lane: number) {
    this.port = port;
    this.lane = lane;
  }

  protected requireOpen(): void {
    if (this.ended) throw new DlfsError('internal', 'the listing has ended');
  }

  /** A batch of changes, and those that follow it. */
  protected async *allChanges(first: {
    readonly changes: readonly NameChange[];
    readonly more: boolean;
  }): AsyncGenerator<readonly NameChange[], void, undefined> {
    let batch = first;
    if (batch.changes.length > 0) yield batch.changes;
    while (batch.more) {
      batch = await this.port.call('takeChanges', { lane: this.lane });
      if (batch.changes.length > 0) yield batch.changes;
    }
  }

  protected outcomeOf(result: OutcomeResult): ListingOutcome {
    return { ...result, changes: this.allChanges(result) };
  }
}

/** The listing of one directory, its first or a later one. */
export class DirectoryListing extends Handle implements AsyncDisposable {
  /** The directory. */
  readonly directory: number;
  /** The full key prefix to list with the delimiter `/`. */
  readonly prefix: string;
  /** Whether nobody has listed it before: then names appear with each page, otherwise they switch at the end. */
  readonly first: boolean;

  readonly #onEnd: () => void;
  /** The last name that has been told, without the prefix; null: all. */
  #position: string | null = '';
  #progress = Promise.withResolvers<undefined>();

  /** Made by `CacheIndex.beginDirectory`. */
  constructor(
    port: WriterPort,
    lane: number,
    directory: number,
    begun: Calls['beginDirectory']['result'],
    onEnd: () => void,
  ) {
    super(port, lane);
    this.directory = directory;
    this.prefix = begun.prefix;
    this.first = begun.first;
    this.#onEnd = onEnd;
  }

  /**
   * Applies the next page; its names are visible when this resolves.
   * @throws DlfsError `protocol` for a page that is not of this listing; `disk-full`, `io`, `corrupt`. The listing is over then.
   */
  async add(page: ListPage): Promise<PageEffect> {
    this.requireOpen();
    const result = await this.port.call('addPage', { lane: this.lane, page });
    this.#position = page.last || result.stopped !== null ? null : later(this.#position, lastName(page, this.prefix));
    this.#wake();
    return { changes: this.allChanges(result), stopped: result.stopped };
  }

  /**
   * Whether a name's meaning is settled by what has been listed: if the reader does not know it now, there is none.
   * @param name an entry of the directory
   */
  decided(name: string): boolean {
    // A file is shown when the directory of the same name has been passed.
    return this.#position === null || compareKeys(this.#position, `${name}/`) >= 0;
  }

  /** Resolves with the next page applied, or when the listing ends, well or not. */
  progress(): Promise<void> {
    return this.ended ? Promise.resolve() : this.#progress.promise;
  }

  /** Ends the listing after its last page. */
  async finish(): Promise<ListingOutcome> {
    this.requireOpen();
    const result = await this.port.call('finishDirectory', { lane: this.lane });
    this.#end();
    return this.outcomeOf(result);
  }

  /** Gives the listing up unless it is finished; names that have appeared stay. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return;
    this.#end();
    await ignoringClosed(this.port.call('abortDirectory', { lane: this.lane }));
  }

  #end(): void {
    this.ended = true;
    this.#onEnd();
    this.#wake();
  }

  #wake(): void {
    this.#progress.resolve(undefined);
    this.#progress = Promise.withResolvers<undefined>();
  }
}

/** The listing of the whole source. */
export class FullListing extends Handle implements AsyncDisposable {
  readonly #lanes: LaneSource;

  /** Made by `CacheIndex.beginFull`. */
  constructor(port: WriterPort, lane: number, lanes: LaneSource) {
    super(port, lane);
    this.#lanes = lanes;
  }

  /**
   * Takes a directory that was listed by itself since this listing began, instead of a part; else says what it needs.
   * @param key as for `shard`
   * @throws DlfsError as `shard`
   */
  async cover(key: string): Promise<CoverResult> {
    this.requireOpen();
    return await this.port.call('coverDirectory', { full: this.lane, key });
  }

  /**
   * Begins a part: first the root, `''`, then each directory that a `level` shard or `cover` told to descend into, once.
   * @param key relative to the mounted prefix, with its slash
   * @throws DlfsError `internal` for any other
   */
  async shard(kind: ShardKind, key: string): Promise<ListingShard> {
    this.requireOpen();
    const lane = this.#lanes();
    await this.port.call('beginShard', { lane, full: this.lane, kind, key });
    return new ListingShard(this.port, lane, key);
  }

  /** Ends it as the limit would: something that belongs to it is too long. */
  async stop(): Promise<void> {
    this.requireOpen();
    await this.port.call('stopFull', { lane: this.lane });
  }

  /**
   * Switches to what was listed, at once. Stopped by the limit, it leaves everything as it was.
   * @throws DlfsError `internal` while a part is missing
   */
  async finish(): Promise<ListingOutcome> {
    this.requireOpen();
    const result = await this.port.call('finishFull', { lane: this.lane });
    this.ended = true;
    return this.outcomeOf(result);
  }

  /**
   * What `finish` would change, with some of the names that would mean something else; dispose the listing then. Directories that
   * nobody had listed before are listed now: that is no change.
   * @throws DlfsError `internal` while a part is missing
   */
  async preview(): Promise<{ readonly outcome: ListingOutcome; readonly names: readonly NameChange[] }> {
    this.requireOpen();
    const result = await this.port.call('previewFull', { lane: this.lane });
    return { outcome: { ...result, changes: nothing() }, names: result.changes };
  }

  /** Takes back what was listed unless it is finished. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.ended) return;
    this.ended = true;
    await ignoringClosed(this.port.call('abortFull', { lane: this.lane }));
  }
}

/** A part of a full listing. */
export class ListingShard {
  /** Relative to the mounted prefix. */
  readonly key: string;
  readonly #port: WriterPort;
  readonly #lane: number;

  /** Made by `FullListing.shard`. */
  constructor(port: WriterPort, lane: number, key: string) {
    this.#port = port;
    this.#lane = lane;
    this.key = key;
  }

  /**
   * Applies the next page; the last one ends the shard.
   * @returns directories that need a shard of their own (relative to the mounted prefix), and whether the listing has stopped
   * @throws DlfsError as `DirectoryListing.add`; the whole listing has failed then and can only be disposed
   */
  async add(page: ListPage): Promise<Pick<PageResult, 'descend' | 'stopped'>> {
    const { descend, stopped } = await this.#port.call('addShardPage', { lane: this.#lane, page });
    return { descend, stopped };
  }
}

/** No changes. */
async function* nothing(): AsyncGenerator<readonly NameChange[], void, undefined> {
  // There is nothing to tell of what has not happened.
}

/** Giving up is no failure where everything has been given up already. */
async function ignoringClosed(call: Promise<Calls[CallName]['result']>): Promise<void> {
  try {
    await call;
  } catch (thrown) {
    if (DlfsError.from(thrown).code !== 'interrupted') throw thrown;
  }
}

function lastName(page: ListPage, prefix: string): string {
  const key = page.objects.at(-1)?.key.slice(prefix.length) ?? '';
  const directory = page.prefixes.at(-1)?.slice(prefix.length) ?? '';
  return compareKeys(key, directory) < 0 ? directory : key;
}

function later(position: string | null, name: string): string | null {
  return position === null || compareKeys(name, position) < 0 ? position : name;
}
