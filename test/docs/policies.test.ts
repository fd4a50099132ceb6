/** The reference says what the slices say, and all of it. */
import { describe, expect, it } from 'vitest';
import { z } from 'zod';
import { readConfig } from '../../src/config/pipeline.ts';
import { kinds, policyCompilers, policyParts } from '../../src/presets/control.ts';
import { filters as edge } from '../../src/presets/edge.ts';
import { filters as node } from '../../src/presets/node.ts';
import { exampleOf, policyPages, writtenPage } from './policies.ts';

/** Every field of a schema: `a`, `a.b`, `a[].b`. */
function fieldsOf(schema: z.ZodType, base = ''): string[] {
  if (schema instanceof z.ZodOptional) return fieldsOf(schema.unwrap() as z.ZodType, base);
  if (schema instanceof z.ZodArray) return fieldsOf(schema.element as z.ZodType, `${base}[]`);
  if (!(schema instanceof z.ZodObject)) return [];
  return Object.entries(schema.shape as Record<string, z.ZodType>).flatMap(([key, field]) => {
    const path = base === '' ? key : `${base}.${key}`;
    return [path, ...fieldsOf(field, path)];
  });
}

describe('docs/policies', () => {
  it.each([...policyPages()])('%s is up to date: else npm run docs:policies', (name, text) => {
    expect(writtenPage(name)).toBe(text);
  });

  it.each(policyParts.map((part) => [part.key, part] as const))(
    '%s explains every field of its schema and no other',
    (_key, part) => {
      expect(part.fields.map(({ path }) => path).sort()).toEqual(fieldsOf(part.schema).sort());
    },
  );

  it.each(policyParts.map((part) => [part.key, part] as const))(
    '%s has an example that is admitted',
    (_key, part) => {
      const found = readConfig([{ file: 'example.yaml', text: exampleOf(part) }], { kinds });
      expect(found.diagnostics).toEqual([]);
      expect(found.resources).toHaveLength(1);
    },
  );

  it('tells of parts that every preset has', () => {
    const keys = policyParts.map(({ key }) => key).sort();
    const ofWorkload = policyParts.filter(({ isOfWorkload }) => isOfWorkload === true);
    const taken = policyCompilers.filter(
      ({ kind, compilePart, compileWorkload }) =>
        compilePart !== undefined ||
        (compileWorkload !== undefined && ofWorkload.some(({ key }) => key === kind)),
    );
    expect(taken.map(({ kind }) => kind).sort()).toEqual(keys);
    for (const filters of [edge, node])
      expect(filters.map(({ kind }) => kind)).toEqual(expect.arrayContaining(keys));
  });
});
