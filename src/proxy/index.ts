export { createEngine } from './engine.ts';
export type { Engine, EngineOptions } from './engine.ts';
export type { Arrival } from './exchange.ts';
export { LinkError, link } from './link.ts';
export type { LinkOptions, LinkedSnapshot } from './link.ts';
