/** What a server's message answers. */
import { BSON, Elements } from './bson.ts';
import type { Unpacked } from './envelope.ts';
import { OP, readSections } from './envelope.ts';
import { HEADER_BYTES } from './framing.ts';
import type { View } from './view.ts';

export interface MongoReply {
  /** False only where the server said so. */
  readonly isOk: boolean;
  /** Of the error, or of the first write that failed; 0 = none. */
  readonly code: number;
  readonly codeName: string;
  /** Of an open cursor: 16 hex digits, or ''. */
  readonly cursor: string;
  /** Another answer to the same request follows. */
  readonly moreToCome: boolean;
  /** The server takes another's connections for its own. */
  readonly serviceId: boolean;
}

interface Draft {
  isOk: boolean;
  code: number;
  codeName: string;
  cursor: string;
  serviceId: boolean;
}

const MAX_ELEMENTS = 200;
const MAX_TEXT = 64;
const NO_CURSOR = '0000000000000000';
const QUERY_FAILURE = 2;
const CURSOR_NOT_FOUND = 1;
const CODE_CURSOR_NOT_FOUND = 43;
const OLD_HEAD_BYTES = 20;

function codeIn(elements: Elements | undefined): number {
  while (elements?.step() === true) if (elements.key === 'code') return elements.number() ?? 0;
  return 0;
}

function firstWriteError(elements: Elements): number {
  const errors = elements.inner();
  return errors?.step() === true ? codeIn(errors.inner()) : 0;
}

function cursorOf(elements: Elements): string {
  const inner = elements.inner();
  while (inner?.step() === true)
    if (inner.key === 'id') {
      const id = inner.int64();
      return id === NO_CURSOR ? '' : id;
    }
  return '';
}

function readElement(draft: Draft, elements: Elements): void {
  switch (elements.key) {
    case 'ok':
      draft.isOk = elements.number() !== 0;
      break;
    case 'code':
      draft.code = elements.number() ?? 0;
      break;
    case 'codeName':
      draft.codeName = elements.string(MAX_TEXT);
      break;
    case 'writeErrors':
      if (draft.code === 0) draft.code = firstWriteError(elements);
      break;
    case 'writeConcernError':
      if (draft.code === 0) draft.code = codeIn(elements.inner());
      break;
    case 'cursor':
      if (elements.type === BSON.document) draft.cursor = cursorOf(elements);
      break;
    case 'serviceId':
      draft.serviceId = true;
      break;
    default:
  }
}

function readDocument(draft: Draft, view: View, at: number, limit: number): void {
  const elements = new Elements(view, at, limit);
  for (let i = 0; i < MAX_ELEMENTS && elements.step(); i++) readElement(draft, elements);
}

function readOld(draft: Draft, view: View): boolean {
  const flags = view.uint32(HEADER_BYTES);
  const cursor = view.hex64(HEADER_BYTES + 4);
  const documents = view.int32(HEADER_BYTES + 16);
  if (flags === undefined || cursor === undefined || documents === undefined || documents < 0)
    return false;
  if (documents > 0) readDocument(draft, view, HEADER_BYTES + OLD_HEAD_BYTES, view.length);
  if (cursor !== NO_CURSOR) draft.cursor = cursor;
  if ((flags & (QUERY_FAILURE | CURSOR_NOT_FOUND)) !== 0) draft.isOk = false;
  if ((flags & CURSOR_NOT_FOUND) !== 0) draft.code = CODE_CURSOR_NOT_FOUND;
  return true;
}

/** Undefined = it is none that is known, or malformed. */
export function readReply({ opCode, body }: Unpacked): MongoReply | undefined {
  const draft: Draft = { isOk: true, code: 0, codeName: '', cursor: '', serviceId: false };
  if (opCode === OP.reply)
    return readOld(draft, body) ? { ...draft, moreToCome: false } : undefined;
  const sections = opCode === OP.msg ? readSections(body) : undefined;
  if (sections === undefined) return undefined;
  if (sections.document >= 0) readDocument(draft, body, sections.document, sections.end);
  return { ...draft, moreToCome: sections.moreToCome };
}
