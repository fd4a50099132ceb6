export { canonicalTarget } from './canonical.ts';
export type { EngineStats, RequestCounts } from './counters.ts';
export { createEngine } from './engine.ts';
export type { Engine, EngineOptions, MirrorTarget } from './engine.ts';
export type { Arrival } from './exchange.ts';
export type { RequestEnd } from './record.ts';
export { LinkError, link } from './link.ts';
export type { LinkOptions, LinkedSnapshot } from './link.ts';
export { CurrentSnapshot } from './swap.ts';
