/** Text to documents: YAML as Kubernetes reads it (1.1 scalars) or JSON, with the place of every node kept. */
import { LineCounter, isMap, isScalar, isSeq, parseAllDocuments } from 'yaml';
import type { Document, Node } from 'yaml';
import type { ParsedDocument, SourceText } from '../model/config.ts';
import type { Diagnostic, Place } from '../model/diagnostic.ts';

/** Of one document. */
export const MAX_DOCUMENT_BYTES: number = 1024 * 1024;
/** Of one source, in documents. */
export const MAX_DOCUMENTS = 20_000;

export interface ParseResult {
  readonly documents: readonly ParsedDocument[];
  readonly diagnostics: readonly Diagnostic[];
}

/** `spec.http[0].route` to its steps; quoted keys as `labels["a.b"]`. */
export function pathSteps(path: string): (string | number)[] {
  const steps: (string | number)[] = [];
  for (const match of path.matchAll(/\["((?:[^"\\]|\\.)*)"\]|\[(\d+)\]|([^.[\]]+)/g)) {
    if (match[2] !== undefined) steps.push(Number(match[2]));
    else steps.push(match[1] ?? match[3] ?? '');
  }
  return steps;
}

interface Source {
  readonly file: string;
  readonly lines: LineCounter;
}

function placeAt(source: Source, offset: number): Place {
  const { line, col } = source.lines.linePos(offset);
  return { file: source.file, line: Math.max(1, line), column: Math.max(1, col) };
}

/** The node at a path or its nearest ancestor; for a field, the place of its key. */
function findPlace(source: Source, root: Node | null, path: string): Place {
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
      if (pair === undefined) break;
      if (isScalar(pair.key)) offset = pair.key.range?.[0] ?? offset;
      node = pair.value;
    } else if (isSeq(node)) {
      const item = node.items[Number(step)] as Node | undefined;
      if (item === undefined) break;
      offset = item.range?.[0] ?? offset;
      node = item;
    } else break;
  }
  return placeAt(source, offset);
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

function readDocument(source: Source, document: Document.Parsed): ParseResult {
  const faults = document.errors.map((error) => {
    const duplicate =
      error.code === 'DUPLICATE_KEY' ? duplicateKeyPath(document, error.pos[0]) : undefined;
    return {
      ...malformed(placeAt(source, error.pos[0]), firstLine(error.message)),
      ...(duplicate === undefined
        ? {}
        : { path: duplicate, message: `key "${duplicate}" stands twice` }),
    };
  });
  if (faults.length > 0) return { documents: [], diagnostics: faults };
  const [start, , end] = document.range;
  if (end - start > MAX_DOCUMENT_BYTES)
    return {
      documents: [],
      diagnostics: [
        malformed(
          placeAt(source, start),
          `document of ${end - start} bytes is larger than the ${MAX_DOCUMENT_BYTES} allowed`,
        ),
      ],
    };
  let value: unknown;
  try {
    value = document.toJS({ maxAliasCount: 100 });
  } catch (error) {
    const why = error instanceof Error ? error.message : 'aliases';
    return { documents: [], diagnostics: [malformed(placeAt(source, start), firstLine(why))] };
  }
  if (value === null || value === undefined) return { documents: [], diagnostics: [] };
  return { documents: expandList(source, document, value), diagnostics: [] };
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
      placeOf: (path) => findPlace(source, root, `items[${index}]${path === '' ? '' : `.${path}`}`),
    }));
  return [{ value, file: source.file, placeOf: (path) => findPlace(source, root, path) }];
}

/** Every document of a source; those with faults are left out and reported. */
export function parseDocuments(text: SourceText): ParseResult {
  const lines = new LineCounter();
  const source: Source = { file: text.file, lines };
  const parsed = parseAllDocuments(text.text, {
    lineCounter: lines,
    version: '1.1',
    uniqueKeys: true,
    merge: true,
    prettyErrors: false,
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
