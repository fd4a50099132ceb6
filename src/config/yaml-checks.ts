/** What YAML allows and a resource must not hold: odd keys, unknown tags, cycles, bombs. */
import { isMap, isScalar, isSeq } from 'yaml';
import type { Document, Scalar } from 'yaml';
import { joinPath } from './path.ts';

/** Of maps and lists in each other; deeper than any API's schema. */
const MAX_DEPTH = 100;
/** Of one document after its aliases are put in. */
const MAX_NODES = 1_000_000;

interface TextFault {
  readonly offset: number;
  readonly path: string;
  readonly message: string;
  readonly remedy?: string;
  /** The document can be read all the same, as Kubernetes reads it. @default false */
  readonly isReadable?: boolean;
}

/** The unquoted word of a scalar that YAML reads as something else than that text. */
export function unquotedWord(scalar: Scalar): string | undefined {
  if (scalar.type !== 'PLAIN' || typeof scalar.value === 'string') return undefined;
  return scalar.source;
}

function keyFault(key: unknown, path: string): TextFault | undefined {
  if (!isScalar(key)) {
    const offset = (key as { readonly range?: readonly number[] } | null)?.range?.[0] ?? 0;
    return { offset, path, message: 'a key is a map or a list, want text' };
  }
  if (typeof key.value === 'symbol') return undefined; // merge key <<
  const offset = key.range?.[0] ?? 0;
  const word = unquotedWord(key);
  if (word !== undefined && word !== String(key.value))
    return {
      offset,
      path: joinPath(path, String(key.value)),
      message: `key ${word === '' ? 'of nothing' : word} is read as ${String(key.value)}, want text`,
      remedy: `write ${JSON.stringify(word)} in quotes`,
      ...(key.value === null ? {} : { isReadable: true }),
    };
  if (key.value === '__proto__')
    return { offset, path: joinPath(path, '__proto__'), message: 'key __proto__ is not allowed' };
  return undefined;
}

/** Every key that isn't text, in the order of the document. */
export function keyFaults(document: Document.Parsed): TextFault[] {
  const faults: TextFault[] = [];
  const visit = (node: unknown, path: string, depth: number): void => {
    if (depth > MAX_DEPTH) return;
    if (isMap(node))
      for (const { key, value } of node.items) {
        const fault = keyFault(key, path);
        if (fault !== undefined) faults.push(fault);
        if (isMap(value) || isSeq(value))
          visit(value, joinPath(path, isScalar(key) ? String(key.value) : ''), depth + 1);
      }
    else if (isSeq(node))
      for (const [index, item] of node.items.entries())
        if (isMap(item) || isSeq(item)) visit(item, `${path}[${index}]`, depth + 1);
  };
  visit(document.contents, '', 0);
  return faults;
}

/** Why a value can't be walked safely; undefined when it can. */
export function sizeFault(value: unknown): string | undefined {
  let nodes = 0;
  const visit = (node: unknown, depth: number): string | undefined => {
    nodes++;
    if (nodes > MAX_NODES) return `more than ${MAX_NODES} values once its aliases are put in`;
    if (typeof node !== 'object' || node === null) return undefined;
    if (depth > MAX_DEPTH)
      return `nested deeper than ${MAX_DEPTH} levels, or an alias refers to what it stands in`;
    for (const child of Object.values(node)) {
      const fault = visit(child, depth + 1);
      if (fault !== undefined) return fault;
    }
    return undefined;
  };
  return visit(value, 0);
}
