/** Text to documents: YAML as Kubernetes reads it (1.1 scalars) or JSON, with the place of every node kept. */
import { LineCounter, isMap, isScalar, isSeq, parseAllDocuments } from 'yaml';
import type { Document, Node, Tags } from 'yaml';
import type { ParsedDocument, SourceText } from '../model/config.ts';
import type { Diagnostic, Place } from '../model/diagnostic.ts';
import { pathSteps } from './path.ts';
import { sourceMapOf } from './source-map.ts';
import { keyFaults, sizeFault, unquotedWord } from './yaml-checks.ts';

/** Of one document. */
export const MAX_DOCUMENT_BYTES: number = 1024 * 1024;
/** Of one source, in documents. */
const MAX_DOCUMENTS = 20_000;
/** Of one source, in characters. */
const MAX_SOURCE_LENGTH = 64 * 1024 * 1024;
/** Of one document; what follows is mostly the echo of the first. */
const MAX_FAULTS = 20;

export interface ParseResult {
  readonly documents: readonly ParsedDocument[];
  readonly diagnostics: readonly Diagnostic[];
}

interface Source {
  readonly file: string;
  readonly text: string;
  readonly lines: LineCounter;
}

function placeAt(source: Source, offset: number): Place {
  const { line, col } = source.lines.linePos(offset);
  return { file: source.file, line: Math.max(1, line), column: Math.max(1, col) };
}

interface Found {
  readonly offset: number;
  /** The node itself; undefined when the path leads nowhere. */
  readonly node: unknown;
}

/** The node at a path or the place of its nearest ancestor; for a field, the place of its key. */
function findNode(root: Node | null, path: string): Found {
  let node: unknown = root;
  let offset = root?.range?.[0] ?? 0;
  const steps = pathSteps(path);
  for (let i = 0; i < steps.length; i++) {
    const step = steps[i] as string | number;
    if (isMap(node)) {
      // A key may hold dots of its own, which the path doesn't quote: take the longest that fits.
      let pair;
      for (let end = steps.length; end > i && pair === undefined; end--) {
        const key = steps.slice(i, end).join('.');
        pair = node.items.find((item) => isScalar(item.key) && String(item.key.value) === key);
        if (pair !== undefined) i = end - 1;
      }
      if (pair === undefined) return { offset, node: undefined };
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined;
      if (item === undefined) return { offset, node: undefined };
      offset = item.range?.[0] ?? offset;
      node = item;
    } else return { offset, node: undefined };
  }
  return { offset, node };
}

function readable(
  source: Source,
  root: Node | null,
  prefix: string,
): Omit<ParsedDocument, 'value' | 'file'> {
  const full = (path: string): string =>
    prefix === '' || path === '' ? `${prefix}${path}` : `${prefix}.${path}`;
  return {
    placeOf: (path) => placeAt(source, findNode(root, full(path)).offset),
    wordAt(path) {
      const { node } = findNode(root, full(path));
      return isScalar(node) ? unquotedWord(node) : undefined;
    },
    sourceMap: () =>
      sourceMapOf(source.file, findNode(root, prefix).node, (offset) => {
        const { line, column } = placeAt(source, offset);
        return [line, column];
      }),
  };
}

function malformed(place: Place, message: string): Diagnostic {
  return {
    code: 'LAT0001',
    level: 'error',
    message,
    place,
    remedy: 'mend the YAML or JSON; nothing of this document was read',
  };
}

/** The library's words where they'd mislead. */
function plainWords(message: string): string {
  const first = firstLine(message);
  if (first.includes('Maximum call stack')) return 'nested too deeply';
  if (first.startsWith('Alias cannot be an empty'))
    return 'an unquoted * starts an alias, not text: put the value in quotes';
  if (first.startsWith('Excessive alias count')) return 'aliases multiply each other: too many';
  return first.replace(/ at line \d+, column \d+:?$/, '');
}

function syntaxFaults(source: Source, document: Document.Parsed): Diagnostic[] {
  const overflow = document.errors.find((error) => error.message.includes('Maximum call stack'));
  if (overflow !== undefined)
    return [malformed(placeAt(source, overflow.pos[0]), plainWords(overflow.message))];
  const errors = document.errors.map((error) => {
    const duplicate =
      error.code === 'DUPLICATE_KEY' ? duplicateKeyPath(document, error.pos[0]) : undefined;
    return {
      ...malformed(placeAt(source, error.pos[0]), plainWords(error.message)),
      ...(duplicate === undefined
        ? {}
        : { path: duplicate, message: `key "${duplicate}" stands twice` }),
    };
  });
  const tags = document.warnings
    .filter((warning) => warning.code === 'TAG_RESOLVE_FAILED')
    .map((warning) =>
      malformed(
        placeAt(source, warning.pos[0]),
        plainWords(warning.message).replace('Unresolved tag:', 'a resource takes no tag'),
      ),
    );
  return [...errors, ...tags];
}

function oddKeys(source: Source, document: Document.Parsed): Diagnostic[] {
  return keyFaults(document).map(({ offset, path, message, remedy, isReadable }) => ({
    ...malformed(placeAt(source, offset), message),
    ...(isReadable === true ? { level: 'warning' as const } : {}),
    path,
    ...(remedy === undefined ? {} : { remedy }),
  }));
}

function byteLength(source: Source, start: number, end: number): number {
  if ((end - start) * 3 <= MAX_DOCUMENT_BYTES) return end - start;
  return new TextEncoder().encode(source.text.slice(start, end)).length;
}

function refused(source: Source, offset: number, message: string): ParseResult {
  return { documents: [], diagnostics: [malformed(placeAt(source, offset), message)] };
}

function readDocument(source: Source, document: Document.Parsed): ParseResult {
  const [start, , end] = document.range;
  const bytes = byteLength(source, start, end);
  if (bytes > MAX_DOCUMENT_BYTES)
    return refused(
      source,
      start,
      `document of ${bytes} bytes is larger than the ${MAX_DOCUMENT_BYTES} allowed`,
    );
  let faults = syntaxFaults(source, document);
  if (faults.length === 0) faults = oddKeys(source, document);
  const shown = faults.slice(0, MAX_FAULTS);
  if (faults.some(({ level }) => level === 'error')) return { documents: [], diagnostics: shown };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    return refused(source, start, plainWords(error instanceof Error ? error.message : 'aliases'));
  }
  if (value === null || value === undefined) return { documents: [], diagnostics: shown };
  const size = sizeFault(value);
  if (size !== undefined) return refused(source, start, size);
  return { documents: expandList(source, document, value), diagnostics: shown };
}

const firstLine = (text: string): string => text.split('\n')[0] ?? text;

/** Dotted path of the key that stands at an offset. */
function duplicateKeyPath(document: Document.Parsed, offset: number): string | undefined {
  const search = (node: unknown, path: string): string | undefined => {
    if (isMap(node)) {
      for (const item of node.items) {
        const name = isScalar(item.key) ? String(item.key.value) : '';
        const at = path === '' ? name : `${path}.${name}`;
        if (isScalar(item.key) && item.key.range?.[0] === offset) return at;
        const found = search(item.value, at);
        if (found !== undefined) return found;
      }
    } else if (isSeq(node)) {
      for (const [index, item] of node.items.entries()) {
        const found = search(item, `${path}[${index}]`);
        if (found !== undefined) return found;
      }
    }
    return undefined;
  };
  return search(document.contents, '');
}

/** `kind: List` stands for its items. */
function expandList(source: Source, document: Document.Parsed, value: unknown): ParsedDocument[] {
  const root = document.contents;
  const fields = value as { readonly kind?: unknown; readonly items?: unknown };
  if (fields.kind === 'List' && Array.isArray(fields.items))
    return fields.items.map((item: unknown, index) => ({
      value: item,
      file: source.file,
      ...readable(source, root, `items[${index}]`),
    }));
  return [{ value, file: source.file, ...readable(source, root, '') }];
}

/** Scalars as Kubernetes reads them: it keeps times, dates and base 60 as text, and knows no further types. */
function kubernetesTags(tags: Tags): Tags {
  return tags.filter(
    (tag) =>
      typeof tag === 'string' ||
      (tag.format !== 'TIME' && !/(?:timestamp|binary|omap|pairs|set)$/.test(tag.tag)),
  );
}

/** Every document of a source; those with faults are left out and reported. */
export function parseDocuments(text: SourceText): ParseResult {
  const lines = new LineCounter();
  const source: Source = { file: text.file, text: text.text, lines };
  if (text.text.length > MAX_SOURCE_LENGTH)
    return {
      documents: [],
      diagnostics: [
        malformed(
          { file: text.file, line: 1, column: 1 },
          `source of ${text.text.length} characters, ${MAX_SOURCE_LENGTH} are allowed`,
        ),
      ],
    };
  const parsed = parseAllDocuments(text.text, {
    lineCounter: lines,
    version: '1.1',
    uniqueKeys: true,
    merge: true,
    prettyErrors: false,
    logLevel: 'silent',
    customTags: kubernetesTags,
  });
  const list: readonly Document.Parsed[] = Array.isArray(parsed) ? parsed : [];
  if (list.length > MAX_DOCUMENTS)
    return {
      documents: [],
      diagnostics: [
        malformed(
          placeAt(source, 0),
          `${list.length} documents in one source, ${MAX_DOCUMENTS} are allowed`,
        ),
      ],
    };
  const results = list.map((document) => readDocument(source, document));
  return {
    documents: results.flatMap((result) => result.documents),
    diagnostics: results.flatMap((result) => result.diagnostics),
  };
}
