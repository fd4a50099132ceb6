/** What a client's message asks. */
import { BSON, Elements } from './bson.ts';
import type { Compressor, Sections, Sequence, Unpacked } from './envelope.ts';
import { OP, readSections } from './envelope.ts';
import { HEADER_BYTES } from './framing.ts';
import type { View } from './view.ts';

/** What a driver says of itself at the beginning of a connection. */
export interface Hello {
  readonly application: string;
  /** `name version`. */
  readonly driver: string;
  readonly loadBalanced: boolean;
  /** Database that it authenticates against, where it says so; '' = it doesn't. */
  readonly authDatabase: string;
  readonly compression: readonly string[];
}

export interface MongoRequest {
  readonly opCode: number;
  readonly compressor: Compressor | undefined;
  /** First key of the command, or the name of an old opcode; '' = the message doesn't say what it is. */
  readonly command: string;
  readonly database: string;
  readonly collection: string;
  /** Nobody answers it. */
  readonly moreToCome: boolean;
  readonly exhaustAllowed: boolean;
  /** Of getMore, and the first of killCursors: 16 hex digits, or ''. */
  readonly cursor: string;
  /** Session and transaction, as hex digits; '' = none. */
  readonly session: string;
  readonly transaction: string;
  readonly startsTransaction: boolean;
  /** It is part of a transaction of several statements. */
  readonly inTransaction: boolean;
  /** An aggregation whose last stage writes what it found. */
  readonly writesResult: boolean;
  /** `database.collection` of all that a command of `admin` works on, where it names them: bulkWrite, renameCollection. */
  readonly namespaces: readonly string[];
  /** The command was read to its end: it says nothing of itself that isn't here. */
  readonly isWhole: boolean;
  readonly hello: Hello | undefined;
}

const MAX_NAME = 255;
const MAX_ELEMENTS = 200;
/** Servers take no longer pipelines, and no bulkWrite of more collections. */
const MAX_STAGES = 1000;
const MAX_NAMESPACES = 100_000;
/** Of documents that say little: sessions, and collections of a bulkWrite. */
const FEW_ELEMENTS = 16;
const HELLO: ReadonlySet<string> = new Set(['hello', 'isMaster', 'ismaster']);

interface Draft {
  command: string;
  database: string;
  collection: string;
  cursor: string;
  session: string;
  transaction: string;
  startsTransaction: boolean;
  inTransaction: boolean;
  writesResult: boolean;
  namespaces: readonly string[];
  isWhole: boolean;
  hello: Hello | undefined;
}

const emptyDraft = (): Draft => ({
  command: '',
  database: '',
  collection: '',
  cursor: '',
  session: '',
  transaction: '',
  startsTransaction: false,
  inTransaction: false,
  writesResult: false,
  namespaces: [],
  isWhole: false,
  hello: undefined,
});

function sessionOf(elements: Elements): string {
  const inner = elements.inner();
  for (let i = 0; i < FEW_ELEMENTS && inner?.step() === true; i++)
    if (inner.key === 'id' && inner.type === BSON.binary)
      return hex(inner.view, inner.at + 5, Math.min(inner.next, inner.at + 5 + 16));
  return '';
}

function hex(view: View, at: number, end: number): string {
  let text = '';
  for (let i = at; i < end; i++) text += Math.max(0, view.byte(i)).toString(16).padStart(2, '0');
  return text;
}

/** Texts of an array, few and short. */
function texts(elements: Elements): string[] {
  const found: string[] = [];
  const inner = elements.inner();
  while (inner?.step() === true && found.length < 8) found.push(inner.string());
  return found;
}

function fieldOf(elements: Elements, name: string, key: string): string {
  const inner = elements.inner();
  for (let i = 0; i < MAX_ELEMENTS && inner?.step() === true; i++) {
    if (inner.key !== name) continue;
    if (key === '') return inner.string(MAX_NAME);
    return fieldOf(inner, key, '');
  }
  return '';
}

/** The document is walked again: a handshake comes once in the life of a connection. */
function helloOf(view: View, at: number, limit: number): Hello {
  const elements = new Elements(view, at, limit);
  let application = '';
  let driver = '';
  let authDatabase = '';
  let loadBalanced = false;
  let compression: readonly string[] = [];
  for (let i = 0; i < MAX_ELEMENTS && elements.step(); i++) {
    const { key } = elements;
    if (key === 'client') {
      application = fieldOf(elements, 'application', 'name');
      driver =
        `${fieldOf(elements, 'driver', 'name')} ${fieldOf(elements, 'driver', 'version')}`.trim();
    } else if (key === 'loadBalanced') loadBalanced = elements.number() === 1;
    else if (key === 'compression') compression = texts(elements);
    else if (key === 'speculativeAuthenticate') authDatabase = fieldOf(elements, 'db', '');
    else if (key === 'saslSupportedMechs' && authDatabase === '')
      authDatabase = elements.string(MAX_NAME).split('.')[0] ?? '';
  }
  return { application, driver, loadBalanced, authDatabase, compression };
}

/** A command inside a query of the old protocol may be wrapped. */
function isWrapper({ key, type }: Elements): boolean {
  return (key === 'query' || key === '$query') && type === BSON.document;
}

function readElement(draft: Draft, elements: Elements): void {
  const { key } = elements;
  if (key === '$db') draft.database = elements.string(MAX_NAME);
  else if (key === 'lsid') draft.session = sessionOf(elements);
  else if (key === 'txnNumber') draft.transaction = elements.int64();
  else if (key === 'startTransaction') draft.startsTransaction = elements.number() === 1;
  else if (key === 'autocommit') draft.inTransaction = elements.number() === 0;
  else readOwnElement(draft, elements);
}

/** What means something in one command alone. */
function readOwnElement(draft: Draft, elements: Elements): void {
  const { key } = elements;
  switch (draft.command) {
    case 'getMore':
      if (key === 'collection') draft.collection = elements.string(MAX_NAME);
      break;
    case 'killCursors':
      if (key === 'cursors') draft.cursor = firstCursor(elements);
      break;
    case 'aggregate':
      if (key === 'pipeline') draft.writesResult = hasWritingStage(elements);
      break;
    case 'renameCollection':
      if (key === 'to') draft.namespaces = [draft.collection, elements.string(MAX_NAME)];
      break;
    case 'bulkWrite':
      if (key === 'nsInfo') draft.namespaces = namespacesIn(elements.inner());
      break;
    default:
  }
}

function firstCursor(elements: Elements): string {
  const inner = elements.inner();
  return inner?.step() === true ? inner.int64() : '';
}

/** One that can't be read to its end may write. */
function hasWritingStage(elements: Elements): boolean {
  const stages = elements.inner();
  if (stages === undefined) return false;
  for (let i = 0; i < MAX_STAGES; i++) {
    if (!stages.step()) return stages.isBroken;
    const stage = stages.inner();
    if (stage?.step() === true && (stage.key === '$out' || stage.key === '$merge')) return true;
  }
  return true;
}

const namespaceOf = (elements: Elements | undefined): string => {
  for (let i = 0; i < FEW_ELEMENTS && elements?.step() === true; i++)
    if (elements.key === 'ns') return elements.string(MAX_NAME);
  return '';
};

/** Each once; they are as many as collections that one command writes. */
function namespacesIn(list: Elements | undefined): string[] {
  const found = new Set<string>();
  for (let i = 0; i < MAX_NAMESPACES && list?.step() === true; i++)
    found.add(namespaceOf(list.inner()));
  return [...found];
}

function namespacesOf(view: View, { start, end }: Sequence): string[] {
  const found = new Set<string>();
  let at = start;
  for (let i = 0; i < MAX_NAMESPACES && at < end; i++) {
    const elements = new Elements(view, at, end);
    if (elements.isBroken) break;
    found.add(namespaceOf(elements));
    at = elements.end;
  }
  return [...found];
}

/** Name of the collection, cursor or inner command that the first element carries. */
function readFirst(draft: Draft, elements: Elements): void {
  draft.command = elements.key;
  if (elements.type === BSON.string) draft.collection = elements.string(MAX_NAME);
  else if (elements.key === 'getMore') draft.cursor = elements.int64();
  else if (elements.key === 'explain') {
    const inner = elements.inner();
    if (inner?.step() === true) draft.collection = inner.string(MAX_NAME);
  }
}

function readCommand(draft: Draft, view: View, at: number, limit: number): void {
  const elements = new Elements(view, at, limit);
  if (!elements.step()) return;
  if (draft.command === '' && isWrapper(elements)) {
    // Only once: what is wrapped again is none that a driver sends.
    draft.command = elements.key;
    readCommand(draft, view, elements.at, elements.next);
    return;
  }
  readFirst(draft, elements);
  let left = MAX_ELEMENTS;
  while (left > 0 && elements.step()) {
    readElement(draft, elements);
    left--;
  }
  draft.isWhole = left > 0 && !elements.isBroken;
  if (HELLO.has(draft.command)) {
    draft.hello = helloOf(view, at, limit);
    draft.collection = '';
  }
}

/** `database.collection`; the first dot divides, as names of databases have none. */
function readNamespace(draft: Draft, view: View, at: number): number {
  const zero = view.findZero(at, Math.min(view.length, at + MAX_NAME + 1));
  if (zero < 0) return -1;
  const name = view.text(at, zero, MAX_NAME) ?? '';
  const dot = name.indexOf('.');
  draft.database = dot < 0 ? name : name.slice(0, dot);
  draft.collection = dot < 0 ? '' : name.slice(dot + 1);
  return zero + 1;
}

function readQuery(draft: Draft, view: View): boolean {
  const at = readNamespace(draft, view, HEADER_BYTES + 4);
  if (at < 0) return false;
  if (draft.collection !== '$cmd') {
    draft.command = 'query';
    draft.isWhole = true;
    return true;
  }
  draft.collection = '';
  const { database } = draft;
  readCommand(draft, view, at + 8, view.length);
  draft.database = database;
  return draft.command !== '';
}

const OLD: Readonly<Record<number, string>> = {
  [OP.update]: 'update',
  [OP.insert]: 'insert',
  [OP.getMore]: 'getMore',
  [OP.delete]: 'delete',
};

function readOld(draft: Draft, opCode: number, view: View): boolean {
  draft.command = opCode === OP.killCursors ? 'killCursors' : (OLD[opCode] ?? '');
  draft.isWhole = true;
  if (opCode === OP.killCursors) return true;
  const at = draft.command === '' ? -1 : readNamespace(draft, view, HEADER_BYTES + 4);
  if (opCode === OP.getMore && at >= 0) draft.cursor = view.hex64(at + 4) ?? '';
  return at >= 0;
}

function readMessage(draft: Draft, view: View, sections: Sections): void {
  if (sections.document < 0) return;
  readCommand(draft, view, sections.document, sections.end);
  if (draft.command !== 'bulkWrite') return;
  draft.isWhole &&= sections.isWhole;
  const listed = sections.sequences.find(({ name }) => name === 'nsInfo');
  if (listed !== undefined) draft.namespaces = namespacesOf(view, listed);
}

/** Undefined = it is none that is known, or malformed. */
export function readRequest({ opCode, body, compressor }: Unpacked): MongoRequest | undefined {
  const draft = emptyDraft();
  const made = (moreToCome: boolean, exhaustAllowed: boolean): MongoRequest => ({
    opCode,
    compressor,
    moreToCome,
    exhaustAllowed,
    ...draft,
  });
  if (opCode === OP.msg) {
    const sections = readSections(body);
    if (sections === undefined) return undefined;
    readMessage(draft, body, sections);
    return made(sections.moreToCome, sections.exhaustAllowed);
  }
  if (opCode === OP.query) return readQuery(draft, body) ? made(false, false) : undefined;
  if (!readOld(draft, opCode, body)) return undefined;
  return made(opCode !== OP.getMore, false);
}
