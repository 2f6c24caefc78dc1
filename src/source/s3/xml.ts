/**
 * A strict reader of the small XML that S3 speaks: elements, text, the five named entities and character references.
 *
 * It walks the text once, one event a call, and keeps nothing but the names of the open elements, so that neither time nor
 * memory depends on what a hostile document is shaped like. What S3 never sends is refused, not skipped: document types
 * (and with them entities of one's own), processing instructions, unknown entities, text after the end.
 *
 * Invariants:
 * 1. Linear in the text's length; memory bounded by `MAX_DEPTH` names and one text.
 * 2. `end` comes only after the root element was closed: a cut document always throws.
 * 3. Every fault is a DlfsError `protocol` whose message quotes no more than a name of the document.
 */

import { DlfsError } from '../../base/errors.ts';

/** Deeper nesting than any answer of S3 (five levels). */
const MAX_DEPTH = 16;

/** The longest element name read; S3's longest has 24 letters. */
const MAX_NAME = 64;

const PLAIN_NAME = /^[A-Za-z][A-Za-z0-9]*$/;
const NAME = /[A-Za-z_][A-Za-z0-9_.:-]*/y;
const SPACE = /[ \t\r\n]*/y;
/** Attributes are read past: only `xmlns` and `xsi:type` occur, and they say nothing. */
const ATTRIBUTE = /[A-Za-z_][A-Za-z0-9_.:-]*[ \t\r\n]*=[ \t\r\n]*(?:"[^"<]*"|'[^'<]*')/y;
/** A reference, or an ampersand that is none. */
const REFERENCE = /&(?:(#x[0-9a-fA-F]{1,6}|#[0-9]{1,7}|[a-z]{2,4});)?/g;
const ONLY_SPACE = /^[ \t\r\n]*$/;

const NAMED: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
]);

/** See the file's header. */
export class XmlReader {
  readonly #text: string;
  readonly #what: string;
  readonly #open: string[] = [];
  #at = 0;
  #closing = false;
  #started = false;

  /**
   * @param text the whole document, decoded
   * @param what its name in a fault's message, for example `the listing`
   */
  constructor(text: string, what: string) {
    this.#what = what;
    this.#text = text.startsWith('\uFEFF') ? text.slice(1) : text;
  }

  /** How many elements are open. */
  get depth(): number {
    return this.#open.length;
  }

  /**
   * Reads to the next element's beginning, or the end of the innermost open one.
   * @returns the name of the element that began; null where the innermost open one ended, or, with none open, the document
   * @throws DlfsError `protocol` for text between elements, and whatever is not well-formed
   */
  next(): string | null {
    if (this.#closeEmpty()) return null;
    for (;;) {
      const text = this.#readText();
      if (text !== '' && !ONLY_SPACE.test(text))
        throw this.#fault(
          this.depth === 0
            ? 'it does not begin with an element'
            : `there is text between elements in <${this.#innermost()}>`,
        );
      if (this.#at >= this.#text.length) {
        if (this.depth > 0) throw this.#fault(`it ends inside <${this.#innermost()}>`);
        if (!this.#started) throw this.#fault('it is empty');
        return null;
      }
      if (this.#text.startsWith('</', this.#at)) {
        this.#readEndTag();
        return null;
      }
      if (this.#skipAside()) continue;
      return this.#readStartTag();
    }
  }

  /**
   * The text of the element that just began, to its end.
   * @throws DlfsError `protocol` where it has elements inside
   */
  leaf(): string {
    const name = this.#innermost();
    if (this.#closeEmpty()) return '';
    let value = '';
    for (;;) {
      value += this.#unescape(this.#readText());
      if (this.#at >= this.#text.length) throw this.#fault(`it ends inside <${name}>`);
      if (this.#text.startsWith('</', this.#at)) {
        this.#readEndTag();
        return value;
      }
      if (this.#text.startsWith('<![CDATA[', this.#at)) value += this.#readTo('<![CDATA[', ']]>');
      else if (!this.#skipAside()) throw this.#fault(`there is an element inside <${name}>, which has only text`);
    }
  }

  /** Reads past the element that just began, whatever is in it. */
  skip(): void {
    const depth = this.depth;
    if (this.#closeEmpty()) return;
    while (this.depth >= depth) {
      this.#readText();
      if (this.#at >= this.#text.length) throw this.#fault(`it ends inside <${this.#innermost()}>`);
      if (this.#text.startsWith('</', this.#at)) this.#readEndTag();
      else if (this.#text.startsWith('<![CDATA[', this.#at)) this.#readTo('<![CDATA[', ']]>');
      else if (!this.#skipAside()) {
        this.#readStartTag();
        this.#closeEmpty();
      }
    }
  }

  #innermost(): string {
    return this.#open.at(-1) ?? '';
  }

  /** Ends an element that had no end tag of its own (`<x/>`). */
  #closeEmpty(): boolean {
    if (!this.#closing) return false;
    this.#closing = false;
    this.#open.pop();
    return true;
  }

  #readText(): string {
    const from = this.#at;
    const to = this.#text.indexOf('<', from);
    this.#at = to < 0 ? this.#text.length : to;
    return this.#text.slice(from, this.#at);
  }

  /** Comments and, before the root, the XML declaration. */
  #skipAside(): boolean {
    if (this.#text.startsWith('<!--', this.#at)) this.#readTo('<!--', '-->');
    else if (!this.#started && this.#text.startsWith('<?xml', this.#at)) this.#readTo('<?xml', '?>');
    else if (this.#text.startsWith('<!', this.#at) && !this.#text.startsWith('<![CDATA[', this.#at)) {
      throw this.#fault('it declares a document type, which no S3 answer does');
    } else if (this.#text.startsWith('<?', this.#at)) throw this.#fault('it holds a processing instruction');
    else return false;
    return true;
  }

  #readTo(opening: string, stop: string): string {
    const from = this.#at + opening.length;
    const to = this.#text.indexOf(stop, from);
    if (to < 0) throw this.#fault(`"${opening}" comes without "${stop}"`);
    this.#at = to + stop.length;
    return this.#text.slice(from, to);
  }

  #readStartTag(): string {
    if (this.depth === 0 && this.#started) throw this.#fault('it has more than one root element');
    this.#at += 1;
    const plain = this.#readPlainTag();
    if (plain !== null) return plain;
    const name = this.#match(NAME);
    if (name === '' || name.length > MAX_NAME) throw this.#fault('it has a tag without a proper name');
    if (this.depth >= MAX_DEPTH) throw this.#fault(`it nests deeper than ${MAX_DEPTH} elements`);
    this.#match(SPACE);
    while (this.#match(ATTRIBUTE) !== '') this.#match(SPACE);
    if (this.#text.startsWith('/>', this.#at)) {
      this.#closing = true;
      this.#at += 2;
    } else if (this.#text[this.#at] === '>') this.#at += 1;
    else
      throw this.#fault(
        this.#at >= this.#text.length ? `it ends inside <${name}>` : `<${name}> is not closed with ">"`,
      );
    this.#started = true;
    this.#open.push(name);
    return name;
  }

  /** The common case, `<Name>`, for half the time of the general one. */
  #readPlainTag(): string | null {
    const end = this.#text.indexOf('>', this.#at);
    if (end < 0) throw this.#fault('it ends inside a tag');
    if (end - this.#at > MAX_NAME || this.depth >= MAX_DEPTH) return null;
    const name = this.#text.slice(this.#at, end);
    if (!PLAIN_NAME.test(name)) return null;
    this.#at = end + 1;
    this.#started = true;
    this.#open.push(name);
    return name;
  }

  #readEndTag(): void {
    this.#at += 2;
    const expected = this.#innermost();
    if (this.#text.startsWith(expected, this.#at) && this.#text[this.#at + expected.length] === '>') {
      this.#at += expected.length + 1;
      this.#open.pop();
      return;
    }
    const name = this.#match(NAME);
    this.#match(SPACE);
    if (this.#text[this.#at] !== '>') throw this.#fault(`</${name.slice(0, MAX_NAME)}> is not closed with ">"`);
    this.#at += 1;
    if (this.#open.pop() !== name) throw this.#fault(`</${name.slice(0, MAX_NAME)}> closes nothing`);
  }

  #match(pattern: RegExp): string {
    pattern.lastIndex = this.#at;
    const found = pattern.exec(this.#text)?.[0] ?? '';
    this.#at += found.length;
    return found;
  }

  /** Text with its references resolved and its line ends as XML wants them. */
  #unescape(text: string): string {
    const lines = text.includes('\r') ? text.replaceAll(/\r\n?/g, '\n') : text;
    return lines.includes('&')
      ? lines.replaceAll(REFERENCE, (_, inner: string | undefined) => this.#resolve(inner))
      : lines;
  }

  #resolve(inner: string | undefined): string {
    if (inner?.startsWith('#') === true) {
      const point = inner.startsWith('#x') ? Number.parseInt(inner.slice(2), 16) : Number.parseInt(inner.slice(1), 10);
      if (point <= 0x10ffff && !(point >= 0xd800 && point < 0xe000)) return String.fromCodePoint(point);
    }
    const known = NAMED.get(inner ?? '');
    if (known === undefined) throw this.#fault('it refers to an unknown entity or character');
    return known;
  }

  #fault(why: string): DlfsError {
    return new DlfsError('protocol', `${this.#what} is not the XML that S3 sends: ${why}`);
  }
}
