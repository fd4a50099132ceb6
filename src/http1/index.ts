export { ChunkedReader, NO_TRAILERS, chunkStart, chunksEnd, isTrailer } from './chunked.ts';
export type { BodySink, Trailers } from './chunked.ts';
export { DEFAULT_LIMITS, HeadFault } from './fault.ts';
export type { HeadLimits } from './fault.ts';
export { requestFraming, responseFraming } from './framing.ts';
export type { BodyFraming } from './framing.ts';
export { parseRequest, parseResponse } from './parse.ts';
export type { Parsed, ParseOptions } from './parse.ts';
export { RawRequestHead, RawResponseHead } from './raw-head.ts';
