export { DEFAULT_LIMITS, HeadFault } from './fault.ts';
export type { HeadLimits } from './fault.ts';
export { parseRequest, parseResponse } from './parse.ts';
export type { Parsed, ParseOptions } from './parse.ts';
export { RawRequestHead, RawResponseHead } from './raw-head.ts';
