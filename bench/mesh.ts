/** Configurations for the benchmarks, through the same config path as everybody's. */
import { compile } from '../src/config/compile/index.ts';
import { readConfig } from '../src/config/pipeline.ts';
import type { Resource } from '../src/model/api.ts';
import type { CompileResult } from '../src/model/config.ts';
import { kinds, policyCompilers } from '../src/presets/control.ts';

export const HOSTS = 10;

const SERVICE = `apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: shop}
spec: {hosts: [shop.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1}, {address: 127.0.0.2}]}`;
const GATEWAY = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec: {selector: {app: front}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}`;
const DENY_INTERNAL = `apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: closed}
spec: {action: DENY, rules: [{to: [{operation: {paths: ["/internal/*"], methods: [TRACE]}}]}]}`;

/** `count` routes over ten hosts: prefixes, every third with a header condition; `rest` is what each route has besides. */
export function routesOf(count: number, rest: (index: number) => string): string {
  const rules = Array.from({ length: HOSTS }, (_, host) => {
    const routes = Array.from({ length: count / HOSTS }, (_unused, index) => {
      const header = index % 3 === 0 ? ', headers: {x-tier: {exact: gold}}' : '';
      return `{match: [{uri: {prefix: /v1/item${index}/}${header}}], route: [{destination: {host: shop}}], ${rest(index)}}`;
    });
    return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: rules-${host}}\nspec: {hosts: [h${host}.example.com], gateways: [front], http: [${routes.join(', ')}]}`;
  });
  return rules.join('\n---\n');
}

export function resourcesOf(...texts: readonly string[]): readonly Resource[] {
  const text = [SERVICE, GATEWAY, DENY_INTERNAL, ...texts].join('\n---\n');
  const { resources, diagnostics } = readConfig([{ file: 'bench', text }], { kinds });
  const fault = diagnostics.find(({ level }) => level === 'error');
  if (fault !== undefined) throw new Error(fault.message);
  return resources.map(({ resource }) => resource);
}

export function compileGateway(resources: readonly Resource[]): CompileResult {
  const labels = { app: 'front' };
  const scope = { type: 'gateway', namespace: 'default', name: 'front', labels } as const;
  return compile({ resources, scope }, policyCompilers);
}
