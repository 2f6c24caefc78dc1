/**
 * Reads modules for the architecture test: what a file imports, whether it has a header, which exports lack a docstring.
 *
 * How it works: the TypeScript parser, a file at a time, without types: fast, and independent of whether the tree compiles.
 */
import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { posix } from 'node:path';
import ts from 'typescript';

/** What the architecture test wants to know of a file. */
export interface Module {
  /** Path from the root, with slashes. */
  readonly path: string;
  /** Number of lines. */
  readonly lines: number;
  /** Whether it starts with a comment about the file as a whole. */
  readonly header: boolean;
  /** Paths of modules of ours that it imports, types included; from the root. */
  readonly imports: readonly string[];
  /** Names of packages that it imports at run time; `node:` modules are not listed. */
  readonly packages: readonly string[];
  /** Names of exports without a docstring. */
  readonly undocumented: readonly string[];
}

/** Reads all modules under a folder. */
export function readModules(root: string, folder: string): Module[] {
  return globSync(`${folder}/**/*.ts`, { cwd: root })
    .sort()
    .map((path) => parseModule(path, readFileSync(join(root, path), 'utf8')));
}

/**
 * Reads one module.
 * @param path from the root; relative imports are resolved against it
 * @param text its source
 */
export function parseModule(path: string, text: string): Module {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, true);
  const imports = new Set<string>();
  const packages = new Set<string>();
  const note = (specifier: string, typeOnly: boolean): void => {
    if (specifier.startsWith('.')) imports.add(posix.join(posix.dirname(path), specifier));
    else if (!specifier.startsWith('node:') && !typeOnly) packages.add(packageOf(specifier));
  };
  const visit = (node: ts.Node): void => {
    if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier)) {
      note(node.moduleSpecifier.text, node.importClause?.phaseModifier === ts.SyntaxKind.TypeKeyword);
    } else if (ts.isExportDeclaration(node) && node.moduleSpecifier && ts.isStringLiteral(node.moduleSpecifier)) {
      note(node.moduleSpecifier.text, node.isTypeOnly);
    } else if (ts.isCallExpression(node) && node.expression.kind === ts.SyntaxKind.ImportKeyword) {
      const [argument] = node.arguments;
      if (argument && ts.isStringLiteralLike(argument)) note(argument.text, false);
    } else if (
      ts.isImportTypeNode(node) &&
      ts.isLiteralTypeNode(node.argument) &&
      ts.isStringLiteral(node.argument.literal)
    ) {
      note(node.argument.literal.text, true);
    }
    ts.forEachChild(node, visit);
  };
  visit(file);
  return {
    path,
    lines: text.split('\n').length - (text.endsWith('\n') ? 1 : 0),
    header: hasHeader(file),
    imports: [...imports],
    packages: [...packages],
    undocumented: file.statements.flatMap(undocumentedExports),
  };
}

/**
 * Finds a cycle of imports.
 * @param edges module → what it imports
 * @returns the first one found, its first module repeated at the end; null where there is none
 */
export function findCycle(edges: ReadonlyMap<string, readonly string[]>): string[] | null {
  const done = new Set<string>();
  const trail: string[] = [];
  const walk = (node: string): string[] | null => {
    const at = trail.indexOf(node);
    if (at >= 0) return [...trail.slice(at), node];
    if (done.has(node)) return null;
    trail.push(node);
    for (const next of edges.get(node) ?? []) {
      const cycle = walk(next);
      if (cycle !== null) return cycle;
    }
    trail.pop();
    done.add(node);
    return null;
  };
  for (const node of edges.keys()) {
    const cycle = walk(node);
    if (cycle !== null) return cycle;
  }
  return null;
}

function packageOf(specifier: string): string {
  const [first = '', second = ''] = specifier.split('/');
  return first.startsWith('@') ? `${first}/${second}` : first;
}

/** A comment at the start that is not just the docstring of the first export. */
function hasHeader(file: ts.SourceFile): boolean {
  const text = file.text;
  const start = ts.getShebang(text)?.length ?? 0;
  const [first, second] = ts.getLeadingCommentRanges(text, start) ?? [];
  if (first === undefined || text.slice(start, first.pos).trim() !== '' || !text.startsWith('/**', first.pos))
    return false;
  const [statement] = file.statements;
  return second !== undefined || statement === undefined || !isExported(statement) || ts.isExportDeclaration(statement);
}

function isExported(node: ts.Node): boolean {
  return (
    ts.canHaveModifiers(node) && (ts.getModifiers(node) ?? []).some((it) => it.kind === ts.SyntaxKind.ExportKeyword)
  );
}

function undocumentedExports(statement: ts.Statement): string[] {
  if (!isExported(statement) || ts.getJSDocCommentsAndTags(statement).some(ts.isJSDoc)) return [];
  if (ts.isVariableStatement(statement)) return statement.declarationList.declarations.map((it) => it.name.getText());
  const { name } = statement as ts.Statement & { readonly name?: ts.Node };
  return [name?.getText() ?? 'default'];
}
