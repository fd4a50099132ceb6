export { COMPRESSORS, OP, unpack } from './envelope.ts';
export type { Compressor, Decompress, Unpacked } from './envelope.ts';
export {
  DEFAULT_FRAMING_LIMITS,
  Framing,
  HEADER_BYTES,
  MAX_MESSAGE_BYTES,
  readHeader,
} from './framing.ts';
export type { FramingLimits, MessageHeader, MessageSink } from './framing.ts';
export { mismatchOf, readGreeting } from './greeting.ts';
export type { Greeting } from './greeting.ts';
export { kindOf } from './kind.ts';
export { refusalMessage } from './refusal.ts';
export { readReply } from './reply.ts';
export type { MongoReply } from './reply.ts';
export { readRequest } from './request.ts';
export type { Hello, MongoRequest } from './request.ts';
export { unsnappy } from './snappy.ts';
export { View } from './view.ts';
