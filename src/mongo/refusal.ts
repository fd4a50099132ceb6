/** The answer to a request that no server gets: an error as MongoDB's own are. */
import type { MongoRefusal } from '../model/mongo.ts';
import { OP } from './envelope.ts';
import type { MessageHeader } from './framing.ts';
import { HEADER_BYTES } from './framing.ts';

const encoder = new TextEncoder();

function int32(value: number): number[] {
  return [value & 255, (value >> 8) & 255, (value >> 16) & 255, (value >> 24) & 255];
}

const cstring = (value: string): number[] => [...encoder.encode(value), 0];

function textElement(key: string, value: string): number[] {
  const bytes = cstring(value.replaceAll('\0', ''));
  return [2, ...cstring(key), ...int32(bytes.length), ...bytes];
}

/** 0.0 as a double. */
const NOT_OK = [1, ...cstring('ok'), 0, 0, 0, 0, 0, 0, 0, 0];

function errorDocument({ code, codeName, message }: MongoRefusal): number[] {
  const elements = [
    ...NOT_OK,
    ...textElement('errmsg', message),
    16,
    ...cstring('code'),
    ...int32(code),
    ...textElement('codeName', codeName),
  ];
  return [...int32(elements.length + 5), ...elements, 0];
}

/** Never compressed, which every client takes. @param opCode of the request as it was unpacked */
export function refusalMessage(
  header: MessageHeader,
  opCode: number,
  refusal: MongoRefusal,
): Uint8Array {
  const document = errorDocument(refusal);
  const isOld = opCode === OP.query;
  // Flags, cursor, start and number of documents; or flags and the kind of the one section.
  const head = isOld
    ? [...int32(0), 0, 0, 0, 0, 0, 0, 0, 0, ...int32(0), ...int32(1)]
    : [...int32(0), 0];
  const length = HEADER_BYTES + head.length + document.length;
  return Uint8Array.from([
    ...int32(length),
    ...int32(0),
    ...int32(header.requestId),
    ...int32(isOld ? OP.reply : OP.msg),
    ...head,
    ...document,
  ]);
}
