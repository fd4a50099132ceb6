/**
 * Golden files of the config path: `cases/NAME.in.yaml` -> `NAME.out.json` (what compile makes of it) or
 * `NAME.err.txt` (what admission says). UPDATE_GOLDEN=1 writes them anew; read the difference before it is kept.
 */
import { existsSync, globSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { Diagnostic } from '../../src/model/diagnostic.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const inputs = globSync('src/**/cases/*.in.yaml', { cwd: root }).sort();

/** First line of an input: `# scope: {"type": ...}`. */
function scopeOf(text: string): ProxyScope {
  const line = /^# scope: (\{.*\})$/m.exec(text)?.[1];
  if (line === undefined) throw new Error('the first line names no scope');
  return JSON.parse(line) as ProxyScope;
}

function errorText(errors: readonly Diagnostic[]): string {
  return errors
    .map(({ code, place, path, message, remedy }) =>
      [`${place?.line ?? 0}:${place?.column ?? 0}`, code, path ?? '', message, remedy ?? '']
        .join(' | ')
        .trimEnd(),
    )
    .join('\n');
}

function outcome(file: string): { readonly name: string; readonly text: string } {
  const text = readFileSync(root + file, 'utf8');
  const base = root + file.replace(/\.in\.yaml$/, '');
  const { resources, diagnostics } = readConfig([{ file: 'in.yaml', text }], { kinds });
  const errors = diagnostics.filter(({ level }) => level === 'error');
  if (errors.length > 0) return { name: `${base}.err.txt`, text: `${errorText(errors)}\n` };
  const compiled = compile(
    { resources: resources.map(({ resource }) => resource), scope: scopeOf(text) },
    policyCompilers,
  );
  const { listeners, clusters } = compiled.named.snapshot;
  const { diagnostics: said } = compiled;
  const shown = {
    listeners,
    clusters,
    endpoints: compiled.endpoints.clusters,
    ...(said.length === 0 ? {} : { diagnostics: said }),
  };
  return { name: `${base}.out.json`, text: `${JSON.stringify(shown, undefined, 2)}\n` };
}

describe('golden files', () => {
  it('are there', () => {
    expect(inputs.length).toBeGreaterThan(5);
  });

  it.each(inputs)('%s', (file) => {
    const { name, text } = outcome(file);
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(name, text);
    expect(existsSync(name), `${name} is missing: write it with UPDATE_GOLDEN=1`).toBe(true);
    expect(text).toBe(readFileSync(name, 'utf8'));
  });

  it('have an input each, and an input has one of them', () => {
    const bases = inputs.map((file) => file.replace(/\.in\.yaml$/, ''));
    const outputs = globSync('src/**/cases/*.{out.json,err.txt}', { cwd: root });
    const given = outputs.map((file) => file.replace(/\.(?:out\.json|err\.txt)$/, ''));
    expect(given.sort()).toEqual(bases.sort());
  });
});
