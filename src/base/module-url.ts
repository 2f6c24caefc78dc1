/**
 * Where a module of ours lies that is started and not imported: a thread's entry.
 *
 * How it works: a checkout runs `.ts` files, for Node strips their types; an installed package runs the `.js` files that
 * were compiled of them, for Node strips none below node_modules. The compiler rewrites the extension in imports, but not
 * in a URL; whoever names a module so asks here.
 */

/**
 * The URL of a module beside the caller's, in the form that the caller itself has.
 * @param path relative to the caller, ending in `.ts`, as an import names it
 * @param from the caller's `import.meta.url`
 */
export function moduleUrl(path: `./${string}.ts`, from: string): URL {
  return new URL(from.endsWith('.ts') ? path : path.replace(/\.ts$/, '.js'), from);
}
