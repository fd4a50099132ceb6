/** Names that every object has by itself are names like any other; found by `npm run fuzz`. */
import { describe, expect, it, vi } from 'vitest';
import type { AdmittedResource } from '../model/config.ts';
import type { ProxyScope } from '../model/snapshot.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { kinds, policyCompilers } from '../presets/control.ts';
import { link } from '../proxy/index.ts';
import { compile } from './compile/index.ts';
import { findings } from './findings.ts';
import { readConfig } from './pipeline.ts';

const INHERITED = ['constructor', 'toString', 'valueOf'];

function admitted(...documents: readonly unknown[]): readonly AdmittedResource[] {
  const text = documents.map((document) => JSON.stringify(document)).join('\n---\n');
  const { resources, diagnostics } = readConfig([{ file: 'a', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  return resources;
}

const metadata = { name: 'a', namespace: 'a' };
const outbound: ProxyScope = { type: 'sidecar-outbound', namespace: 'a', name: 'a', labels: {} };
const service = (spec: object) => ({ apiVersion: 'v1', kind: 'Service', metadata, spec });

describe.each(INHERITED)('the name %s', (name) => {
  it('is a protocol of a listener that nobody knows', () => {
    const gateway = (kindsWanted?: object) => ({
      apiVersion: 'gateway.networking.k8s.io/v1',
      kind: 'Gateway',
      metadata,
      spec: {
        gatewayClassName: 'lateen',
        listeners: [{ name: 'a', port: 80, protocol: name, ...kindsWanted }],
      },
    });
    for (const one of [gateway(), gateway({ allowedRoutes: { kinds: [{ kind: 'HTTPRoute' }] } })])
      expect(
        findings(admitted(one), { kinds, policyCompilers }).map(({ message }) => message),
      ).toEqual(expect.arrayContaining([expect.stringContaining(name)]));
  });

  it('is an annotation that says nothing', () => {
    const pod = {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: { ...metadata, annotations: { [name]: 'x' } },
    };
    expect(findings(admitted(pod), { kinds, policyCompilers })).toEqual([]);
  });

  it('is a header that a delegate asks for beside its root', () => {
    const rules = (spec: object, called: string) => ({
      apiVersion: 'networking.istio.io/v1',
      kind: 'VirtualService',
      metadata: { name: called, namespace: 'a' },
      spec,
    });
    const resources = admitted(
      rules(
        {
          hosts: ['a.test'],
          http: [{ match: [{ headers: { [name]: { exact: 'x' } } }], delegate: { name: 'inner' } }],
        },
        'outer',
      ),
      rules(
        {
          http: [
            {
              match: [{ headers: { 'x-a': { exact: 'y' } } }],
              route: [{ destination: { host: 'b.test' } }],
            },
          ],
        },
        'inner',
      ),
    ).map(({ resource }) => resource);
    const { named } = compile({ resources, scope: outbound }, policyCompilers);
    const hosts = named.snapshot.listeners.flatMap(({ virtualHosts }) => virtualHosts);
    const matches = hosts.flatMap(({ routes }) => routes.map(({ match }) => match.headers));
    expect(matches).toContainEqual(
      expect.arrayContaining([expect.objectContaining({ name: name.toLowerCase() })]),
    );
  });

  it('is the name of a port, and no port of an endpoint that has none of that name', () => {
    const entry = {
      apiVersion: 'networking.istio.io/v1',
      kind: 'ServiceEntry',
      metadata,
      spec: {
        hosts: ['a.test'],
        resolution: 'STATIC',
        ports: [{ number: 80, name, protocol: 'HTTP' }],
        endpoints: [{ address: '10.0.0.1', ports: {} }],
      },
    };
    const resources = admitted(entry).map(({ resource }) => resource);
    const { endpoints } = compile({ resources, scope: outbound }, policyCompilers);
    const ports = Object.values(endpoints.clusters).flatMap((list) => list.map((one) => one.port));
    expect(ports).toEqual([80]);
  });

  it('is an appProtocol that nobody knows', () => {
    const resources = admitted(
      service({ ports: [{ name: 'a', port: 80, appProtocol: name }] }),
    ).map(({ resource }) => resource);
    const { named } = compile({ resources, scope: outbound }, policyCompilers);
    expect(named.snapshot.listeners.map(({ port, protocol }) => [port, protocol])).toContainEqual([
      80,
      'HTTP',
    ]);
  });
});

describe('clusterIP', () => {
  const linked = (resources: readonly AdmittedResource[]): void => {
    const { named, endpoints } = compile(
      { resources: resources.map(({ resource }) => resource), scope: outbound },
      policyCompilers,
    );
    link(named, endpoints, { version: 'k', sets: {} }, { host: createFakeHost(), filters: [] });
  };

  it.each(['1', '10.0.0.0/8', 'shop'])('that is no address (%s) is refused', (clusterIP) => {
    const text = JSON.stringify(service({ clusterIP, ports: [{ name: 'tcp', port: 1 }] }));
    const { diagnostics } = readConfig([{ file: 'a', text }], { kinds });
    expect(diagnostics).toMatchObject([{ level: 'error', path: 'spec.clusterIP' }]);
  });

  it.each(['', 'None', '10.0.0.1', '2001:db8::1'])('%s can be linked', (clusterIP) => {
    linked(admitted(service({ clusterIP, ports: [{ name: 'tcp', port: 1 }] })));
  });
});

describe('bytes of a direct response', () => {
  const rules = (bytes: string) => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata,
    spec: { hosts: ['a.test'], http: [{ directResponse: { status: 200, body: { bytes } } }] },
  });

  it.each(['x', 'e A', 'eA=', 'ä'])('that are no base64 (%s) are refused', (bytes) => {
    const text = JSON.stringify(rules(bytes));
    const { diagnostics } = readConfig([{ file: 'a', text }], { kinds });
    expect(diagnostics).toMatchObject([
      { level: 'error', path: 'spec.http[0].directResponse.body.bytes' },
    ]);
  });

  it.each(['', 'eA==', 'eA', '_-8=', '_-8'])('%s can be read by a data plane', (bytes) => {
    const resources = admitted(rules(bytes)).map(({ resource }) => resource);
    const { named } = compile({ resources, scope: outbound }, policyCompilers);
    const actions = named.snapshot.listeners.flatMap(({ virtualHosts }) =>
      virtualHosts.flatMap(({ routes }) => routes.map(({ action }) => action)),
    );
    const bodies = actions.flatMap((action) => (action.kind === 'respond' ? [action.body] : []));
    expect(bodies.length).toBeGreaterThan(0);
    for (const body of bodies) expect(() => atob(body ?? '')).not.toThrow();
  });
});

it('settings in a text with a directive that YAML does not know warn nobody on the console', () => {
  const warn = vi.spyOn(process, 'emitWarning').mockImplementation(() => undefined);
  const config = (data: object) => ({
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'istio', namespace: 'istio-system' },
    data,
  });
  const text = '%x\n---\n{}';
  for (const data of [{ mesh: text }, { meshNetworks: text }]) {
    const resources = admitted(config(data));
    findings(resources, { kinds, policyCompilers });
  }
  expect(warn).not.toHaveBeenCalled();
  warn.mockRestore();
});
