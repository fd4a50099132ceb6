/**
 * Which folder may import which: the table of ARCHITECTURE.md as data.
 * A folder is named by the longest entry of `folders` that is a prefix of the file's path.
 */
export interface Rule {
  /** Folders of the project that may be imported besides the folder itself. */
  readonly may: readonly string[];
  /** Packages and platform modules, by prefix. */
  readonly packages?: readonly string[];
}

const portable = ['src/model', 'src/host', 'src/lib'];

export const rules: Readonly<Record<string, Rule>> = {
  'src/lib': { may: [] },
  'src/model': { may: ['src/lib', 'src/host'] },
  'src/host': { may: ['src/lib', 'src/model'] },
  'src/credential': { may: portable },
  'src/policies': { may: [...portable, 'src/credential'] },
  'src/config': { may: ['src/model', 'src/lib', 'src/resources'], packages: ['yaml'] },
  'src/resources': { may: ['src/model', 'src/lib'], packages: ['zod', 'yaml'] },
  'src/proxy': { may: portable },
  'src/http1': { may: ['src/lib', 'src/model'] },
  'src/http2': { may: ['src/lib', 'src/model'] },
  'src/grpc-web': { may: [] },
  'src/mongo': { may: ['src/model'] },
  'src/delivery': { may: [...portable, 'src/proxy'] },
  'src/drivers': { may: [...portable, 'src/credential', 'src/proxy'] },
  'src/presets/control': { may: ['src/policies', 'src/resources', 'src/model'] },
  'src/presets/edge': { may: ['src/policies', 'src/model'] },
  'src/presets/node': { may: ['src/policies', 'src/model'] },
  'src/simulate': {
    may: [...portable, 'src/proxy', 'src/presets/node', 'src/config'],
  },
  'src/index.ts': {
    may: [...portable, 'src/proxy', 'src/config', 'src/simulate', 'src/presets/control'],
  },
  workers: {
    may: [
      ...portable,
      'src/credential',
      'src/proxy',
      'src/drivers',
      'src/delivery',
      'src/presets/edge',
    ],
    packages: ['cloudflare:', 'itty-router', 'esbuild', 'miniflare', 'node:'],
  },
  'node-adapter': {
    may: [
      ...portable,
      'src/credential',
      'src/proxy',
      'src/delivery',
      'src/http1',
      'src/http2',
      'src/grpc-web',
      'src/mongo',
      'src/presets/node',
      'node-adapter/identity',
    ],
    packages: ['node:', 'ws'],
  },
  'node-adapter/identity': {
    may: [...portable, 'src/delivery', 'node-adapter'],
    packages: ['node:', 'jose'],
  },
  control: {
    may: [
      ...portable,
      'src/config',
      'src/delivery',
      'src/resources',
      'src/simulate',
      'src/presets/control',
      // The port alone: what stands behind it comes with a home.
      'control/identity/authority.ts',
    ],
    packages: ['hono', '@hono/zod-openapi', 'jose', 'node:', 'ws'],
  },
  'control/node': { may: [...portable, 'control', 'control/identity'], packages: ['node:'] },
  'control/worker': {
    may: [...portable, 'control', 'control/identity'],
    packages: ['cloudflare:'],
  },
  'control/identity': {
    may: [...portable, 'src/delivery', 'control'],
    packages: ['@peculiar/x509', 'reflect-metadata', 'jose', 'hono', '@hono/zod-openapi'],
  },
  cli: {
    may: [
      ...portable,
      'src/config',
      'src/delivery',
      'src/simulate',
      'src/presets/control',
      'control/access/rights.ts',
      'control/identity/offline.ts',
      'control/keys.ts',
      'control/node.ts',
      'node-adapter/plane.ts',
      'node-adapter/process/channel.ts',
      'node-adapter/process/index.ts',
      'node-adapter/process/record.ts',
      'workers/local.ts',
      'workers/build.ts',
      'examples',
    ],
    packages: ['commander', 'picocolors', 'yaml', 'node:'],
  },
};

/** Of `control`, which is portable: no other file of it imports modules of Node. */
export const nodeOnlyFiles: readonly string[] = [
  'control/node-keys.ts',
  'control/node-streams.ts',
  'control/store/sqlite.ts',
];

/** Folders without a rule of their own: they may import everything. */
export const free: readonly string[] = ['test', 'bench', 'examples', 'vitest.config.ts'];
