/**
 * Text of YAML or JSON (which is YAML) to plain values, with the line of each.
 *
 * How it works: a line of `---` divides documents whatever stands around it (YAML 1.2.2, 9.1.2), so the text is cut there first
 * and each document parsed alone: a fault in one leaves the others readable, and the event loop gets its turn between them. The `yaml` package
 * makes nodes; the values are made of the nodes here, under a budget.
 *
 * Invariants:
 * 1. A document costs a bounded time and memory: its bytes, depth, nodes and the nodes that aliases repeat are limited.
 * 2. No word of the text is repeated in a message, since it may be a key: messages are ours, by the package's codes.
 * 3. A value is made of maps without prototype, arrays, text, finite numbers, booleans and null. Of two equal keys in a map none is taken
 *    silently: that is a problem.
 * 4. A whole number that is written with a leading zero stays text: 0444 is 444 in YAML 1.2, 292 in 1.1, and permissions to people.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import {
  isAlias,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  parseDocument,
  type Document,
  type Node,
  type ParsedNode,
  type YAMLMap,
} from 'yaml';
import { itemsOfJsonList, type ListItem } from './json-list.ts';

/** The longest text: a ConfigMap may have 1 MiB. */
export const MAX_TEXT = 1024 * 1024;

/**
 * The longest document: a manifest has 1 KiB; a chain of certificate authorities and labels make it longer. Hostile ones of 64 KiB
 * took the package 0.6 to 1.1 s of wall time on a busy machine of two cores, and hold the event loop meanwhile: so half of that.
 */
export const MAX_DOCUMENT = 32 * 1024;

/** Documents of one text: more than fit into a ConfigMap. */
export const MAX_DOCUMENTS = 2000;

/** Nodes of one document, those that aliases repeat counted again: manifests have 50. */
const MAX_NODES = 5000;

/** Columns before an item of a List that are kept for its place; a List on one line has its items at no useful column. */
const MAX_INDENT = 80;

/** A manifest is seven deep. */
const MAX_DEPTH = 24;

/** What is wrong with a text, and where. */
export interface TextProblem {
  readonly message: string;
  readonly line: number;
  readonly column: number;
}

/** A place in a text, counted from 1. */
export interface Place {
  readonly line: number;
  readonly column: number;
}

/** One document. */
export interface YamlDocument {
  /** Undefined where there are problems. */
  readonly value: unknown;
  readonly problems: readonly TextProblem[];
  /** Where a field stands, or the nearest that exists around it. @param what its key, or its value */
  readonly placeOf: (path: readonly PropertyKey[], what: 'key' | 'value') => Place;
}

/** What the package's codes mean to a reader. Others mean that this is no YAML at all. */
const MEANING: Readonly<Record<string, string>> = {
  BAD_ALIAS: 'not valid YAML: an alias that names no anchor',
  BAD_DIRECTIVE: 'leave the % directive out',
  BAD_DQ_ESCAPE: 'not valid YAML: a backslash in double quotes with a letter that means nothing; use single quotes',
  BAD_INDENT: 'not valid YAML: wrong indentation',
  BAD_SCALAR_START: 'not valid YAML: text that begins with this character needs quotes',
  BLOCK_AS_IMPLICIT_KEY: 'not valid YAML: two ": " on one line; text that has it needs quotes',
  DUPLICATE_KEY: 'this key stands here twice',
  MISSING_CHAR: 'not valid YAML: a bracket, quote, comma or ":" is missing',
  MULTILINE_IMPLICIT_KEY: 'not valid YAML: a ":" is missing, or indentation is wrong',
  MULTIPLE_DOCS: 'begin each document with a line of ---',
  NON_STRING_KEY: 'a key must be text',
  RESOURCE_EXHAUSTION: 'nested too deeply',
  TAB_AS_INDENT: 'not valid YAML: a tab as indentation; use spaces',
  TAG_RESOLVE_FAILED: 'leave the ! tag out',
};

/**
 * Parses a text.
 * @returns its documents in order; empty ones are left out. A text beyond the limits is one document with a problem
 */
export async function parseYamlDocuments(text: string): Promise<YamlDocument[]> {
  const refuse = (message: string): YamlDocument[] => [failed(message, { line: 1, column: 1 })];
  if (text.length > MAX_TEXT) return refuse(`longer than ${MAX_TEXT / 1024} KiB: divide it into several files`);
  const documents: YamlDocument[] = [];
  const chunks = divide(text.replace(/^\ufeff/, ''));
  if (chunks.length > MAX_DOCUMENTS)
    return refuse(`more than ${MAX_DOCUMENTS} documents: divide them into several files`);
  for (const chunk of chunks) {
    const document = parseOne(chunk);
    if (document !== null) documents.push(document);
    await nextTurn();
  }
  return documents;
}

interface Chunk {
  readonly text: string;
  /** Lines before it. */
  readonly lines: number;
}

function divide(text: string): Chunk[] {
  const items = itemsOfJsonList(text);
  if (items !== null) return chunksOf(items, text);
  const chunks: Chunk[] = [];
  let lines = 0;
  for (const part of text.split(/^(?=---(?:\s|$))/m)) {
    if (!/^(?:---)?\s*$/.test(part)) chunks.push({ text: part, lines });
    lines += part.split('\n').length - 1;
  }
  return chunks;
}

/** Items of a List as documents: spaces stand for what is before each on its line, so that columns are right. */
function chunksOf(items: readonly ListItem[], all: string): Chunk[] {
  let [at, lines, lineAt] = [0, 0, 0];
  return items.map(({ text, offset }) => {
    const between = all.slice(at, offset);
    const breaks = between.split('\n').length - 1;
    if (breaks > 0) lineAt = at + between.lastIndexOf('\n') + 1;
    lines += breaks;
    at = offset;
    return { text: `${' '.repeat(Math.min(offset - lineAt, MAX_INDENT))}${text}`, lines };
  });
}

function parseOne({ text, lines }: Chunk): YamlDocument | null {
  const start = { line: lines + 1, column: 1 };
  if (text.length > MAX_DOCUMENT) return failed(`a document longer than ${MAX_DOCUMENT / 1024} KiB`, start);
  if (isTooDeep(text)) return failed('nested too deeply', start);
  const counter = new LineCounter();
  let document: Document.Parsed;
  try {
    document = parseDocument(text, {
      lineCounter: counter,
      prettyErrors: false,
      stringKeys: true,
      uniqueKeys: false, // quadratic there, done here
      version: '1.2',
      logLevel: 'error', // "silent" would pass over further documents
    });
  } catch {
    return failed('not valid YAML', start);
  }
  const placeAt = (offset: number): Place => {
    const { line, col } = counter.linePos(offset);
    return { line: Math.max(line, 1) + lines, column: Math.max(col, 1) };
  };
  const said = [...document.errors, ...document.warnings].map(({ code, pos }) => ({
    message: MEANING[code] ?? 'not valid YAML',
    ...placeAt(pos[0]),
  }));
  // What follows a first error is mostly its echo.
  if (said.length > 0) return { value: undefined, problems: said.slice(0, 1), placeOf: () => start };
  if (document.contents === null || (isScalar(document.contents) && document.contents.value === null)) return null;
  const reader = new NodeReader(document);
  const value = reader.read(document.contents);
  const problems = reader.faults.map(({ message, offset }) => ({ message, ...placeAt(offset) }));
  return {
    value: problems.length > 0 ? undefined : value,
    problems,
    placeOf: (path, what) => placeAt(offsetOf(document, path, what)),
  };
}

/** Brackets open at once, quotes disregarded: the package's own time is quadratic in them. */
function isTooDeep(text: string): boolean {
  let depth = 0;
  for (const [bracket] of text.matchAll(/[[\]{}]/g)) {
    depth = bracket === '[' || bracket === '{' ? depth + 1 : Math.max(0, depth - 1);
    if (depth > 4 * MAX_DEPTH) return true;
  }
  return false;
}

function failed(message: string, place: Place): YamlDocument {
  return { value: undefined, problems: [{ message, ...place }], placeOf: () => place };
}

/** Makes values of nodes under the budget (invariant 1). */
class NodeReader {
  readonly faults: { message: string; offset: number }[] = [];
  readonly #document: Document.Parsed;
  #left = MAX_NODES;

  constructor(document: Document.Parsed) {
    this.#document = document;
  }

  read(node: ParsedNode | null, depth = 0): unknown {
    if (node === null) return null;
    this.#left -= 1;
    if (this.#left < 0 || depth > MAX_DEPTH) {
      if (this.#left > Number.MIN_SAFE_INTEGER) this.#fault('too much in one document', node);
      this.#left = Number.NEGATIVE_INFINITY; // once is enough
      return null;
    }
    if (isAlias(node)) {
      const target = node.resolve(this.#document) as ParsedNode | undefined;
      if (target !== undefined) return this.read(target, depth + 1);
      this.#fault(MEANING['BAD_ALIAS'] ?? '', node);
      return null;
    }
    if (isMap(node)) return this.#readMap(node, depth);
    if (isSeq(node)) return node.items.map((item) => this.read(item as ParsedNode | null, depth + 1));
    return this.#readScalar(node);
  }

  #readMap(node: YAMLMap.Parsed, depth: number): object {
    const map = Object.create(null) as Record<string, unknown>;
    for (const { key, value } of node.items) {
      const name = isScalar(key) ? String(key.value) : '';
      if (!isScalar(key)) this.#fault('a key must be plain text', key);
      else if (Object.hasOwn(map, name)) this.#fault(MEANING['DUPLICATE_KEY'] ?? '', key);
      map[name] = this.read(value, depth + 1);
      if (this.#left < 0) break;
    }
    return map;
  }

  #readScalar(node: Node): unknown {
    if (!isScalar(node)) return null;
    const { value, source } = node;
    if (typeof value === 'number' && source !== undefined && /^0o?\d+$/.test(source)) return source;
    if (typeof value === 'number' && !Number.isFinite(value)) this.#fault('write a finite number', node);
    if (value === null || ['string', 'number', 'boolean'].includes(typeof value)) return value;
    this.#fault('write text, a number, true or false', node);
    return null;
  }

  #fault(message: string, node: Node): void {
    this.faults.push({ message, offset: node.range?.[0] ?? 0 });
  }
}

function offsetOf(document: Document.Parsed, path: readonly PropertyKey[], what: 'key' | 'value'): number {
  const resolved = (node: Node | null): Node | null =>
    isAlias(node) ? ((node.resolve(document) as Node | undefined) ?? null) : node;
  let node: Node | null = document.contents;
  let offset = node?.range?.[0] ?? 0;
  for (const [at, part] of path.entries()) {
    const parent = resolved(node);
    if (isMap(parent)) {
      const pair = parent.items.find(({ key }) => isScalar(key) && String(key.value) === part);
      if (pair === undefined) return offset;
      const key = (pair.key as Node).range?.[0] ?? offset;
      node = pair.value as Node | null;
      offset = what === 'key' || at < path.length - 1 ? key : (node?.range?.[0] ?? key);
    } else if (isSeq(parent)) {
      node = (parent.items[Number(part)] as Node | undefined) ?? null;
      offset = node?.range?.[0] ?? offset;
    } else return offset;
  }
  return offset;
}
