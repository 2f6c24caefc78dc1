/**
 * The items of a JSON List (`kind: List`), as `dlfs get -o json` and kubectl print several: each as a text of its own.
 *
 * Why texts: a List of two hundred datasets is far longer than a document may be; each item alone is not, and keeps its lines.
 *
 * Invariants:
 * 1. Only what `JSON.parse` takes is cut; anything else is null, and whoever reads it as YAML says what is wrong.
 */

/** One item, cut out of the text. */
export interface ListItem {
  readonly text: string;
  /** Where it begins, counted from 0. */
  readonly offset: number;
}

/** The items of a text that is one JSON List; null: it is something else. */
export function itemsOfJsonList(text: string): readonly ListItem[] | null {
  if (!/^\s*\{/.test(text) || !text.includes('"List"')) return null;
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return null;
  }
  if (!isList(value)) return null;
  const items = cut(text);
  return items.length === value.items.length ? items : null; // "items" stands there twice
}

/** Whether a value is a List. */
export function isList(value: unknown): value is { readonly items: readonly unknown[] } {
  const { apiVersion, kind, items } = (value ?? {}) as Record<string, unknown>;
  return apiVersion === 'v1' && kind === 'List' && Array.isArray(items);
}

/** Cuts elements out of the array at the top's key "items". @param text valid JSON, an object */
function cut(text: string): ListItem[] {
  const items: ListItem[] = [];
  let depth = 0;
  let inItems = false;
  let begin = -1;
  const end = (at: number): void => {
    if (begin >= 0) items.push({ text: text.slice(begin, at), offset: begin });
    begin = -1;
  };
  for (const { 0: token, index } of text.matchAll(/"(?:[^"\\]|\\.)*"(?:\s*:)?|[[\]{},]|[^\s"[\]{},:]+/g)) {
    const isItemsKey = depth === 1 && /^"items"\s*:$/.test(token);
    if (isItemsKey) inItems = true;
    else if (depth === 1 && token.endsWith(':')) inItems = false;
    if (token === ']' || token === '}') depth -= 1;
    if (inItems && depth === 1 && token === ']') {
      end(index);
      inItems = false;
    } else if (inItems && depth === 2 && token === ',') end(index);
    else if (inItems && depth === 2 && begin < 0 && token !== ']' && token !== '}') begin = index;
    if (token === '[' || token === '{') depth += 1;
  }
  return items;
}
