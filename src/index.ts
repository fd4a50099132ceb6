/** The portable core's public entry. */
export { createEngine, link, LinkError } from './proxy/index.ts';
export type { Engine, LinkedSnapshot, LinkOptions } from './proxy/index.ts';
export { simulate } from './simulate/index.ts';
export type { SimulatedDecision, SimulatedRequest } from './simulate/index.ts';
export { readConfig } from './config/pipeline.ts';
export { compile } from './config/compile/index.ts';
export { kinds, policyCompilers } from './presets/control.ts';
export { createFakeHost } from './host/fake-host.ts';
