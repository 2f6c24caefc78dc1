/**
 * A dashboard's file as Grafana reads it: panels, variables, and what it puts in their place.
 */
import { readFile } from 'node:fs/promises';

/** A variable that is asked of Prometheus. */
export interface Variable {
  readonly name: string;
  /** `label_values(SELECTOR, LABEL)`. */
  readonly query: string;
  /** What "All" stands for. */
  readonly allValue: string;
}

/** A panel. */
export interface GrafanaPanel {
  readonly title: string;
  readonly type: string;
  readonly fieldConfig: { readonly defaults: { readonly unit: string } };
  readonly targets: readonly { readonly expr: string; readonly legendFormat: string }[];
}

/** What is chosen, by variable: a regular expression. */
export type Choice = Map<string, string>;

/** Reads a dashboard. */
export async function loadDashboard(
  path: string,
): Promise<{ readonly variables: readonly Variable[]; readonly panels: readonly GrafanaPanel[] }> {
  const { templating, panels } = JSON.parse(await readFile(path, 'utf8')) as {
    templating: { list: readonly { type: string; name: string; query: { query: string }; allValue: string }[] };
    panels: readonly GrafanaPanel[];
  };
  return {
    variables: templating.list
      .filter(({ type }) => type === 'query')
      .map(({ name, query, allValue }) => ({ name, query: query.query, allValue })),
    panels: panels.filter(({ type }) => type !== 'row'),
  };
}

/**
 * An expression with its variables replaced. Grafana's `$__rate_interval` is four scrapes at least
 * (grafana.com/docs, "Global variables").
 * @throws Error for a variable that nobody declared
 */
export function substitute(expr: string, choice: Choice, scrapeMs: number): string {
  return expr.replace(/\$(\w+)|\$\{(\w+)\}/g, (_, bare: string | undefined, braced: string | undefined) => {
    const name = bare ?? braced ?? '';
    const value = name === '__rate_interval' ? `${4 * scrapeMs}ms` : choice.get(name);
    if (value === undefined) throw new Error(`the variable ${name} is not declared: ${expr}`);
    return value;
  });
}
