/** What reads configuration as a control plane does, without one. Only commands that are given files load it. */
export { describeHost, unknownHostText } from '../src/config/describe/index.ts';
export { findings } from '../src/config/findings.ts';
export { harden } from '../src/config/harden/index.ts';
export { readConfig } from '../src/config/pipeline.ts';
export { placesOf } from '../src/config/source-map.ts';
export { kinds, policyCompilers } from '../src/presets/control.ts';
export { explain } from '../src/simulate/explain.ts';
