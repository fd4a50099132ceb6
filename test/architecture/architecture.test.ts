import { describe, expect, it } from 'vitest';
import { free, nodeOnlyFiles, rules } from './import-table.ts';
import { cycles, importsOf, sourceFiles } from './imports.ts';
import type { Import } from './imports.ts';

const root = new URL('../..', import.meta.url).pathname;
const files = sourceFiles(root);
const isTest = (file: string): boolean => file.endsWith('.test.ts');

/** The longest rule name that is this path or a folder or stem above it. */
function folderOf(path: string): string | undefined {
  const covers = (name: string): boolean =>
    path === name || path === `${name}.ts` || path.startsWith(`${name}/`);
  return [...Object.keys(rules), ...free, 'src/presets']
    .filter((name) => covers(name))
    .sort((a, b) => b.length - a.length)[0];
}

function sliceOf(path: string): string | undefined {
  return /^src\/policies\/([^/]+)\//.exec(path)?.[1];
}

/** Says in words what is wrong with an import, or nothing. */
function fault(edge: Import): string | undefined {
  const folder = folderOf(edge.from);
  if (folder === undefined) return `${edge.from} stands in no known folder`;
  const rule = rules[folder];
  if (rule === undefined) return undefined;
  if (!edge.isProject) {
    const isOfNode = edge.to.startsWith('node:') || edge.to === 'ws';
    if (isOfNode && folder === 'control' && !nodeOnlyFiles.includes(edge.from))
      return `${edge.from} imports ${edge.to}: node modules only in ${nodeOnlyFiles.join(', ')}`;
    // A slice's schema is the control plane's; nothing else of it may bring the library along.
    if (edge.to === 'zod' && /^src\/policies\/[^/]+\/schema\.ts$/.test(edge.from)) return undefined;
    const allowed = rule.packages?.some((name) => edge.to === name || edge.to.startsWith(name));
    return allowed === true
      ? undefined
      : `${edge.from} imports package ${edge.to}, not allowed in ${folder}`;
  }
  const slice = sliceOf(edge.from);
  if (slice !== undefined && sliceOf(edge.to) !== undefined) {
    if (sliceOf(edge.to) !== slice) return `${edge.from} imports another slice: ${edge.to}`;
    if (edge.from.endsWith('/filter.ts') && /\/(?:schema|compile)\.ts$/.test(edge.to))
      return `${edge.from} imports its compile half: ${edge.to}`;
    if (edge.to.endsWith('/schema.ts') && !edge.from.endsWith('/compile.ts'))
      return `${edge.from} imports a schema, which data planes must stay free of: ${edge.to}`;
    return undefined;
  }
  const target = folderOf(edge.to);
  const allowed =
    target === folder ||
    rule.may.includes(edge.to) ||
    (target !== undefined && rule.may.includes(target));
  return allowed
    ? undefined
    : `${edge.from} imports ${edge.to}: ${folder} may import ${rule.may.join(', ')}`;
}

describe('architecture', () => {
  const edges = files.filter((file) => !isTest(file)).flatMap((file) => importsOf(root, file));

  it('keeps the import table', () => {
    expect(edges.map((edge) => fault(edge)).filter((text) => text !== undefined)).toEqual([]);
  });

  it('has no cycles, type imports included', () => {
    const graph = new Map<string, string[]>(files.map((file) => [file, []]));
    for (const edge of edges) if (edge.isProject) graph.get(edge.from)?.push(edge.to);
    expect(cycles(graph).map((cycle) => cycle.join(' -> '))).toEqual([]);
  });

  it('finds a broken rule and a cycle when there is one', () => {
    expect(
      fault({ from: 'src/proxy/engine.ts', to: 'src/config/parse.ts', isProject: true }),
    ).toContain('may import');
    expect(fault({ from: 'src/proxy/engine.ts', to: 'zod', isProject: false })).toContain(
      'package zod',
    );
    expect(
      fault({
        from: 'src/policies/jwt/filter.ts',
        to: 'src/policies/rbac/filter.ts',
        isProject: true,
      }),
    ).toContain('another slice');
    expect(
      fault({
        from: 'src/policies/jwt/filter.ts',
        to: 'src/policies/jwt/compile.ts',
        isProject: true,
      }),
    ).toContain('compile half');
    expect(
      fault({
        from: 'src/policies/body/config.ts',
        to: 'src/policies/body/schema.ts',
        isProject: true,
      }),
    ).toContain('imports a schema');
    expect(fault({ from: 'src/policies/body/compile.ts', to: 'zod', isProject: false })).toContain(
      'package zod',
    );
    expect(
      cycles(
        new Map([
          ['a', ['b']],
          ['b', ['a']],
        ]),
      ),
    ).toEqual([['a', 'b', 'a']]);
  });
});
