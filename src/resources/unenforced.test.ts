/** Kinds that are admitted and analysed, and that nothing acts on yet: refused where Istio refuses, never in silence. */
import { describe, expect, it } from 'vitest';
import { readConfig } from '../config/pipeline.ts';
import { istioKinds } from './index.ts';

const OTHERS: Readonly<Record<string, string>> = {
  PeerAuthentication: 'security.istio.io/v1',
  Sidecar: 'networking.istio.io/v1',
};
const API: Readonly<Record<string, string>> = {
  WorkloadGroup: 'networking.istio.io/v1',
  ProxyConfig: 'networking.istio.io/v1beta1',
  Telemetry: 'telemetry.istio.io/v1',
  EnvoyFilter: 'networking.istio.io/v1alpha3',
  WasmPlugin: 'extensions.istio.io/v1alpha1',
  TrafficExtension: 'extensions.istio.io/v1alpha1',
};

function paths(kind: string, spec: string): string[] {
  const text = `apiVersion: ${API[kind] ?? OTHERS[kind] ?? ''}\nkind: ${kind}\nmetadata: {name: a, namespace: shop}\nspec: ${spec}\n`;
  return readConfig([{ file: 'a.yaml', text }], { kinds: istioKinds })
    .diagnostics.filter(({ level }) => level === 'error')
    .map(({ path }) => path ?? '');
}

describe('kinds without effect yet', () => {
  it('say so of every resource', () => {
    for (const kind of istioKinds.filter(({ unenforced }) => unenforced !== undefined)) {
      const metadata = { name: 'a', namespace: 'b' };
      const { group } = kind;
      const found = kind.notEnforced?.({
        group,
        version: 'v1',
        kind: kind.kind,
        metadata,
        spec: {},
      });
      expect(found?.[0]?.path, kind.kind).toBe('spec');
    }
    expect(Object.keys(API).sort()).toEqual(
      istioKinds
        .filter(({ unenforced }) => unenforced !== undefined)
        .map(({ kind }) => kind)
        .sort(),
    );
  });

  it.each([
    [
      'PeerAuthentication',
      '{selector: {matchLabels: {a: b}}, portLevelMtls: {"80": {mode: STRICT}}}',
    ],
    ['WorkloadGroup', '{template: {ports: {http: 80}}, probe: {tcpSocket: {port: 1}}}'],
    ['ProxyConfig', '{concurrency: 0}'],
    [
      'Telemetry',
      '{tracing: [{randomSamplingPercentage: 12.5, customTags: {a: {header: {name: x}}}}]}',
    ],
    ['Sidecar', '{egress: [{hosts: ["./*", "~billing/*"]}]}'],
    ['EnvoyFilter', '{configPatches: [{applyTo: CLUSTER, patch: {operation: REMOVE}}]}'],
    ['WasmPlugin', '{url: "oci://r.test/a", match: [{ports: [{number: 80}]}]}'],
    ['TrafficExtension', '{lua: {inlineCode: "return"}}'],
  ])('admits %s %s', (kind, spec) => {
    expect(paths(kind, spec)).toEqual([]);
  });

  it.each([
    ['PeerAuthentication', '{portLevelMtls: {"80": {mode: STRICT}}}', 'spec.portLevelMtls'],
    ['PeerAuthentication', '{mtls: {mode: LAX}}', 'spec.mtls.mode'],
    ['WorkloadGroup', '{template: {}, probe: {}}', 'spec.probe'],
    ['WorkloadGroup', '{template: {}, probe: {httpGet: {}}}', 'spec.probe.httpGet.port'],
    ['ProxyConfig', '{concurrency: -1}', 'spec.concurrency'],
    ['Telemetry', '{tracing: [{customTags: {a: {}}}]}', 'spec.tracing[0].customTags.a'],
    [
      'Telemetry',
      '{accessLogging: [{filter: {expression: "a >"}}]}',
      'spec.accessLogging[0].filter.expression',
    ],
    ['Telemetry', '{targetRefs: [{kind: Pod, name: a}]}', 'spec.targetRefs[0]'],
    ['Sidecar', '{egress: [{hosts: [a.test]}]}', 'spec.egress[0].hosts[0]'],
    ['Sidecar', '{egress: [{hosts: ["./*"]}, {hosts: ["*/*"]}]}', 'spec.egress'],
    [
      'Sidecar',
      '{ingress: [{port: {number: 80, protocol: HTTP}, defaultEndpoint: "10.0.0.1:80"}]}',
      'spec.ingress[0].defaultEndpoint',
    ],
    [
      'EnvoyFilter',
      '{configPatches: [{applyTo: CLUSTER, patch: {operation: ADD}}]}',
      'spec.configPatches[0].patch.value',
    ],
    [
      'EnvoyFilter',
      '{configPatches: [{applyTo: CLUSTER, match: {listener: {}}, patch: {operation: REMOVE}}]}',
      'spec.configPatches[0].match',
    ],
    ['WasmPlugin', '{url: "ftp://r.test/a"}', 'spec.url'],
    ['WasmPlugin', '{url: "oci://r.test/a", sha256: short}', 'spec.sha256'],
    ['TrafficExtension', '{lua: {inlineCode: ""}}', 'spec.lua.inlineCode'],
    ['TrafficExtension', '{}', 'spec'],
  ])('refuses %s %s', (kind, spec, path) => {
    expect(paths(kind, spec)).toContain(path);
  });
});
