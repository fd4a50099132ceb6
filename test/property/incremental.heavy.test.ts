/** A compiler that has compiled before gives what one gives that begins: after any changes, in any order, to the byte. */
import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import type { Compiler } from '../../src/config/compile/index.ts';
import { compile, createCompiler } from '../../src/config/compile/index.ts';
import type { Resource } from '../../src/model/api.ts';
import type { CompileResult } from '../../src/model/config.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { policyCompilers } from '../../src/presets/control.ts';
import { certificatePem, keyPem } from '../fixtures/certificates.ts';
import type { Named } from '../fixtures/meshes.ts';
import { SCOPES, admit, anyOtherPart, anyPart, keyOfNamed } from '../fixtures/meshes.ts';

/** Neighbours share results, so they must differ in all that may matter. */
const ALL_SCOPES: readonly ProxyScope[] = [
  ...SCOPES,
  { type: 'sidecar-outbound', namespace: 'a', name: 'client', labels: {} },
  { type: 'sidecar-outbound', namespace: 'b', name: 'other', labels: { app: 'shop' } },
  { type: 'gateway', namespace: 'b', name: 'back', labels: { app: 'front' } },
];

interface Change {
  readonly puts: readonly (Named & { readonly onto: number | undefined })[];
  /** By their place in what there is. */
  readonly deletes: readonly number[];
  /** Decides on the order of what is handed over. */
  readonly seed: number;
}

const part = fc.oneof({ weight: 3, arbitrary: anyPart }, { weight: 1, arbitrary: anyOtherPart });

/** Few kinds that meet each other say more than all of them that miss. */
const FOCUSES: readonly (readonly string[])[] = [
  ['VirtualService', 'Gateway'],
  ['VirtualService', 'Gateway', 'ServiceEntry', 'Policy'],
  ['VirtualService', 'ServiceEntry', 'DestinationRule', 'Sidecar'],
  ['VirtualService', 'ServiceEntry', 'WorkloadEntry', 'Service', 'EndpointSlice', 'ConfigMap'],
  ['AuthorizationPolicy', 'RequestAuthentication', 'PeerAuthentication', 'ServiceEntry'],
];
const API = 'gateway.networking.k8s.io/';
const focused = fc.oneof(
  fc.constant(part),
  fc.constant(
    fc.oneof(
      { weight: 3, arbitrary: anyOtherPart.filter(({ kind }) => kind.startsWith(API)) },
      { weight: 1, arbitrary: anyPart.filter(({ kind }) => kind === 'Service') },
    ),
  ),
  fc.constantFrom(...FOCUSES).map((only) => part.filter(({ kind }) => only.includes(kind))),
);

const history = focused.chain((one) =>
  fc.record({
    first: fc.array(one, { minLength: 5, maxLength: 25 }),
    changes: fc.array(
      fc.record({
        // Most changes are of something that is there.
        puts: fc.array(
          fc
            .tuple(one, fc.option(fc.nat(20), { nil: undefined, freq: 3 }))
            .map(([named, onto]) => ({ ...named, onto })),
          { minLength: 1, maxLength: 3 },
        ),
        deletes: fc.array(fc.nat(30), { maxLength: 1 }),
        seed: fc.nat(1000),
      }),
      { minLength: 1, maxLength: 8 },
    ),
  }),
);

/** What a control plane keeps: a resource that nobody changed is the same object. */
class Stored {
  readonly #named = new Map<string, Named>();
  readonly #resources = new Map<string, Resource>();

  apply({ puts, deletes }: Change): void {
    for (const place of deletes) {
      const key = [...this.#resources.keys()][place];
      if (key !== undefined) this.#resources.delete(key);
    }
    for (const { onto, ...put } of puts) {
      const alike = [...this.#named.values()].filter(({ kind }) => kind === put.kind);
      const taken = onto === undefined ? undefined : alike[onto % alike.length];
      const { namespace, index } = taken ?? put;
      const one = { ...put, namespace, index };
      for (const { resource } of admit([one])) {
        this.#named.set(keyOfNamed(one), one);
        this.#resources.set(keyOfNamed(one), resource);
      }
    }
  }

  list(seed: number): readonly Resource[] {
    const all = [...this.#resources.values()];
    return all
      .map((resource, index) => ({ resource, rank: ((index + 1) * (seed * 2 + 1)) % 31 }))
      .sort((a, b) => a.rank - b.rank)
      .map(({ resource }) => resource);
  }
}

const shown = (result: CompileResult): unknown => ({
  ...result,
  blobs: result.blobs.map((blob) => `${blob.name} ${blob.text()}`).sort(),
  diagnostics: result.diagnostics.map((one) => JSON.stringify(one)).sort(),
});

function expectSame(compiler: Compiler, resources: readonly Resource[]): void {
  for (const scope of ALL_SCOPES) {
    // A token is read anew for every request.
    const input = { resources, scope: structuredClone(scope) };
    expect(shown(compiler.compile(input))).toEqual(shown(compile(input, policyCompilers)));
  }
}

describe('a compiler that has compiled before', () => {
  it('gives the same as one that begins', () => {
    fc.assert(
      fc.property(history, ({ first, changes }) => {
        const stored = new Stored();
        const compiler = createCompiler(policyCompilers);
        const puts = first.map((one) => ({ ...one, onto: undefined }));
        for (const change of [{ puts, deletes: [], seed: 0 }, ...changes]) {
          stored.apply(change);
          expectSame(compiler, stored.list(change.seed));
        }
      }),
      { numRuns: 300 },
    );
  });

  it('gives the same in a mesh of many parts', () => {
    const scopes = [ALL_SCOPES[0], ALL_SCOPES[1]] as readonly ProxyScope[];
    const rules = (index: number, timeout: string): Resource => ({
      group: 'networking.istio.io',
      version: 'v1',
      kind: 'VirtualService',
      metadata: { name: `v${index}`, namespace: 'a' },
      spec: {
        hosts: [`s${index}.a.svc.cluster.local`],
        gateways: ['mesh', 'front'],
        http: [{ timeout, route: [{ destination: { host: `s${index}` } }] }],
      },
    });
    const service = (index: number, port: number): Resource => ({
      group: '',
      version: 'v1',
      kind: 'Service',
      metadata: { name: `s${index}`, namespace: 'a' },
      spec: { ports: [{ name: 'http', port }] },
    });
    const front: Resource = {
      group: 'networking.istio.io',
      version: 'v1',
      kind: 'Gateway',
      metadata: { name: 'front', namespace: 'a' },
      spec: {
        selector: { app: 'front' },
        servers: [{ port: { number: 80, name: 'http', protocol: 'HTTP' }, hosts: ['*'] }],
      },
    };
    const first = Array.from({ length: 300 }, (_, index) => [
      rules(index, '1s'),
      service(index, 80),
    ]);
    const place = fc.nat(320);
    const edits = fc.array(
      fc.oneof(
        place.map((index) => rules(index, '2s')),
        place.map((index) => service(index, 81)),
        place.map((index) => `v${index}`),
        place.map((index) => `s${index}`),
      ),
      { maxLength: 6 },
    );
    fc.assert(
      fc.property(edits, (list) => {
        const resources = new Map([front, ...first.flat()].map((one) => [one.metadata.name, one]));
        const compiler = createCompiler(policyCompilers);
        for (const edit of [front, ...list]) {
          if (typeof edit === 'string') resources.delete(edit);
          else resources.set(edit.metadata.name, edit);
          for (const scope of scopes) {
            const input = { resources: [...resources.values()], scope };
            const [one, other] = [compiler.compile(input), compile(input, policyCompilers)];
            expect(one.blobs.map(({ name }) => name)).toEqual(other.blobs.map(({ name }) => name));
            expect(one.named).toEqual(other.named);
            expect(one.resources).toEqual(other.resources);
          }
        }
      }),
      { numRuns: 8 },
    );
  });

  it('sees that TLS towards a backend changes, and the authority that it trusts', () => {
    const named = (kind: string, spec: unknown): Named => ({
      kind: `${API}${kind}`,
      namespace: 'a',
      index: 0,
      created: undefined,
      spec,
    });
    const front = {
      gatewayClassName: 'istio',
      listeners: [{ name: 'web', port: 8080, protocol: 'HTTP' }],
    };
    const mesh = [
      named('Gateway', front),
      named('HTTPRoute', {
        parentRefs: [{ name: 'r0' }],
        rules: [{ backendRefs: [{ name: 'r0', port: 80 }] }],
      }),
      { ...named('', { ports: [{ name: 'http', port: 80 }] }), kind: 'Service' },
    ];
    const policy = named('BackendTLSPolicy', {
      targetRefs: [{ group: '', kind: 'Service', name: 'r0' }],
      validation: {
        hostname: 'a.test',
        caCertificateRefs: [{ group: '', kind: 'ConfigMap', name: 'r0' }],
      },
    });
    const trust = (pem: string): Named => ({
      ...named('', undefined),
      kind: 'ConfigMap',
      body: { data: { 'ca.crt': pem } },
    });
    const backend = { clientCertificateRef: { name: 'r0' } };
    const identified = [
      named('Gateway', { ...front, tls: { backend } }),
      {
        ...named('', undefined),
        kind: 'Secret',
        body: { stringData: { 'tls.crt': certificatePem, 'tls.key': keyPem } },
      },
    ];
    const stored = new Stored();
    const compiler = createCompiler(policyCompilers);
    const scope = { type: 'gateway', namespace: 'a', name: 'r0', labels: {} } as const;
    const versions = [
      mesh,
      [policy],
      [trust(certificatePem)],
      [trust(certificatePem.repeat(2))],
      identified,
    ].map((list) => {
      const puts = list.map((one) => ({ ...one, onto: undefined }));
      stored.apply({ puts, deletes: [], seed: 0 });
      const input = { resources: stored.list(0), scope };
      const result = compiler.compile(input);
      expect(shown(result)).toEqual(shown(compile(input, policyCompilers)));
      return result.named.version;
    });
    expect(new Set(versions).size).toBe(5);
  });

  it('gives the same for resources that were read anew', () => {
    fc.assert(
      fc.property(fc.array(part, { maxLength: 15 }), (named) => {
        const resources = admit(named).map(({ resource }) => resource);
        const compiler = createCompiler(policyCompilers);
        expectSame(compiler, resources);
        expectSame(compiler, structuredClone(resources));
      }),
      { numRuns: 30 },
    );
  });

  it('is given what was generated', () => {
    const given = fc.sample(part, 400);
    const taken = given.filter((one) => admit([one]).length === 1);
    expect(taken.length / given.length).toBeGreaterThan(0.9);
    const kinds = new Set(taken.map(({ kind }) => kind));
    expect([...new Set(given.map(({ kind }) => kind))].filter((kind) => !kinds.has(kind))).toEqual(
      [],
    );
  });
});
