import { describe, expect, it } from 'vitest';
import { MAX_DOCUMENT_BYTES, parseDocuments } from './parse.ts';

const parse = (text: string) => parseDocuments({ file: 'mesh.yaml', text });
const values = (text: string) => parse(text).documents.map((document) => document.value);
const faults = (text: string) =>
  parse(text).diagnostics.map(({ code, message, place }) => ({ code, message, line: place?.line }));

describe('scalars', () => {
  it.each([
    ['yes', true],
    ['off', false],
    ['n', false],
    ['~', null],
    ['1.10', 1.1],
    ['010', 8],
    ['0x1F', 31],
    ['1_000', 1000],
    ['"yes"', 'yes'],
    ['2026-01-31', '2026-01-31'],
    ['2026-01-31T12:00:00Z', '2026-01-31T12:00:00Z'],
    ['12:30:45', '12:30:45'],
    ['0o10', '0o10'],
  ])('reads %s as Kubernetes does', (text, value) => {
    expect(values(`a: ${text}\n`)).toEqual([{ a: value }]);
  });

  it('tells the unquoted word that became something else', () => {
    const [document] = parse('a: {b: yes, c: "yes", d: text, e: 1.10}\n').documents;
    expect(document?.wordAt?.('a.b')).toBe('yes');
    expect(document?.wordAt?.('a.c')).toBeUndefined();
    expect(document?.wordAt?.('a.d')).toBeUndefined();
    expect(document?.wordAt?.('a.e')).toBe('1.10');
  });
});

describe('documents', () => {
  it('takes several, leaves out empty ones, and puts in the items of a List', () => {
    expect(values('a: 1\n---\n---\n# note\n---\nkind: List\nitems: [{b: 2}, {c: 3}]\n')).toEqual([
      { a: 1 },
      { b: 2 },
      { c: 3 },
    ]);
  });

  it('takes JSON, indented by tabs, with a byte order mark and CR LF', () => {
    expect(values('\uFEFF{\r\n\t"a": "yes",\r\n\t"b": [1, null]\r\n}')).toEqual([
      { a: 'yes', b: [1, null] },
    ]);
  });

  it('reads the sound ones beside a malformed one', () => {
    const result = parse('a: 1\n---\nb: [\n---\nc: 3\n');
    expect(result.documents.map((document) => document.value)).toEqual([{ a: 1 }, { c: 3 }]);
    expect(result.diagnostics[0]?.code).toBe('LAT0001');
  });

  it('expands aliases and merge keys', () => {
    expect(values('a: &x {p: 1}\nb: *x\nc: {<<: *x, q: 2}\n')).toEqual([
      { a: { p: 1 }, b: { p: 1 }, c: { p: 1, q: 2 } },
    ]);
  });
});

describe('places', () => {
  const text = [
    'kind: VirtualService',
    'metadata:',
    '  labels: {app.io/name: web}',
    'spec:',
    '  http:',
    '  - name: first',
    '  - name: second',
    '    route: []',
    '',
  ].join('\n');
  const placeOf = (path: string) => {
    const place = parse(text).documents[0]?.placeOf(path);
    return [place?.line, place?.column];
  };

  it('finds fields, entries, and keys with dots', () => {
    expect(placeOf('spec.http[1].route')).toEqual([8, 5]);
    expect(placeOf('spec.http[1]')).toEqual([7, 5]);
    expect(placeOf('metadata.labels.app.io/name')).toEqual([3, 12]);
  });

  it('falls back to the nearest ancestor', () => {
    expect(placeOf('spec.http[1].timeout')).toEqual([7, 5]);
    expect(placeOf('spec.tcp[0].match')).toEqual([4, 1]);
    expect(placeOf('')).toEqual([1, 1]);
  });

  it('counts from the start of the file in later documents and in a List', () => {
    const [, second, third] = parse('a: 1\n---\nb: 2\n---\nkind: List\nitems:\n- c: 3\n').documents;
    expect(second?.placeOf('b')).toEqual({ file: 'mesh.yaml', line: 3, column: 1 });
    expect(third?.placeOf('c')).toEqual({ file: 'mesh.yaml', line: 7, column: 3 });
  });
});

describe('refusals', () => {
  it('names a repeated key by its path and place', () => {
    const [diagnostic] = parse('spec:\n  hosts: [a]\n  hosts: [b]\n').diagnostics;
    expect(diagnostic).toMatchObject({
      code: 'LAT0001',
      path: 'spec.hosts',
      place: { line: 3, column: 3 },
    });
  });

  it.each([
    ['a:\n\t- b\n', 'Tabs', 2],
    ['a: [*]\n', 'unquoted *', 1],
    ['a: *missing\n', 'alias', 1],
    ['a: !secret x\n', 'no tag !secret', 1],
    ['a: !!binary aGk=\n', 'no tag', 1],
    ['a: {~: x}\n', 'key ~ is read as null', 1],
    ['a:\n  ? [b]\n  : c\n', 'key is a map or a list', 2],
    ['a: {__proto__: {b: c}}\n', '__proto__', 1],
    ['a: &a\n  b: *a\n', 'alias refers to what it stands in', 1],
    [`a: ${'['.repeat(200)}${']'.repeat(200)}\n`, 'nested deeper', 1],
    ['['.repeat(50_000), 'nested too deeply', 1],
  ])('refuses: %#', (text, words, line) => {
    const found = faults(text);
    expect(found[0]?.message).toContain(words);
    expect(found[0]).toMatchObject({ code: 'LAT0001', line });
    expect(parse(text).documents).toEqual([]);
  });

  it.each([
    ['a: {on: x}\n', 'key on is read as true', { a: { true: 'x' } }],
    ['a: {1.10: x}\n', 'key 1.10 is read as 1.1', { a: { '1.1': 'x' } }],
  ])('reads an unquoted key as Kubernetes does, and warns: %#', (text, words, value) => {
    const { documents, diagnostics } = parse(text);
    expect(documents[0]?.value).toEqual(value);
    expect(diagnostics).toMatchObject([{ code: 'LAT0001', level: 'warning' }]);
    expect(diagnostics[0]?.message).toContain(words);
  });

  it('stops aliases that multiply each other', () => {
    const levels = Array.from({ length: 9 }, (_, i) => {
      const [name, before] = ['abcdefghi'[i], 'abcdefghi'[i - 1]];
      return `${name}: &${name} [${i === 0 ? 'x' : Array(9).fill(`*${before}`).join(', ')}]`;
    });
    expect(faults(levels.join('\n'))[0]?.message).toContain('multiply');
  });

  it('bounds one document by its bytes', () => {
    const text = (length: number) => `a: "${'é'.repeat(length)}"\n`;
    expect(faults(text(MAX_DOCUMENT_BYTES / 2 - 10))).toEqual([]);
    expect(faults(text(MAX_DOCUMENT_BYTES / 2))[0]?.message).toContain('larger than');
  });
});
