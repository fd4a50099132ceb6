import { expect, test } from 'vitest';
import type { SourceMap } from '../model/config.ts';
import { gatewayApiKinds } from '../resources/gateway-api/index.ts';
import { istioKinds } from '../resources/index.ts';
import { readConfig } from './pipeline.ts';
import { placeIn, placesOf } from './source-map.ts';

const text = `# a comment
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata:
  name: shop
spec:
  hosts: [shop.example]
  http:
  - match:
    - headers:
        x.y: {exact: a}
    - uri: {prefix: /b}
    directResponse: {status: 200}
  - directResponse: {status: 404}
`;
const { resources } = readConfig([{ file: 'shop.yaml', text }], { kinds: istioKinds });
const map = resources[0]?.sourceMap?.();

test.each([
  ['spec.http[0]', 9, 5],
  ['spec.http[1]', 14, 5],
  ['spec.http[0].match[1]', 12, 7],
  ['spec.http[0].match[0].headers["x.y"]', 11, 9],
  ['spec.hosts[0]', 7, 11],
  // What nobody wrote is where it would stand.
  ['spec.http[1].match[0]', 14, 5],
  ['spec.gateways', 6, 1],
])('%s stands at %d:%d', (path, line, column) => {
  expect(map).toBeDefined();
  expect(map === undefined ? undefined : placeIn(map, path)).toEqual({
    file: 'shop.yaml',
    line,
    column,
  });
});

test('a map survives being stored', () => {
  expect(JSON.parse(JSON.stringify(map))).toEqual(map);
});

test('of two groups with one kind, the resource that has the path is meant', () => {
  const gateways = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec:
  servers:
  - {port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: front}
spec:
  gatewayClassName: lateen
  listeners:
  - {name: http, port: 80, protocol: HTTP}
`;
  const both = readConfig([{ file: 'both.yaml', text: gateways }], {
    kinds: [...istioKinds, ...gatewayApiKinds],
  });
  const placeOf = placesOf(both.resources);
  const lineOf = (path: string): number | undefined =>
    placeOf({ resource: 'Gateway default/front', path })?.line;
  expect(lineOf('spec.servers[0]')).toBe(6);
  expect(lineOf('spec.listeners[0]')).toBe(14);
  expect(placeOf({ resource: 'Gateway default/other', path: 'spec' })).toBeUndefined();
});

test('a text is walked once, and its map has only what is written', () => {
  const [admitted] = resources;
  let walks = 0;
  const sourceMap = (): SourceMap => {
    walks++;
    return map as SourceMap;
  };
  const placeOf = placesOf(admitted === undefined ? [] : [{ ...admitted, sourceMap }]);
  const of = (path: string) => placeOf({ resource: 'VirtualService default/shop', path });
  expect(of('spec.http[1]')?.line).toBe(14);
  expect(of('spec.hosts')?.line).toBe(7);
  expect(of('constructor')).toBeUndefined();
  expect(walks).toBe(1);
});

test('the deepest nodes give way where there are too many', () => {
  const many = Array.from({ length: 5000 }, (_, i) => `    - uri: {exact: /${i}}`).join('\n');
  const large = `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: a}\nspec:\n  hosts: [a]\n  http:\n  - directResponse: {status: 200}\n    match:\n${many}\n`;
  const admitted = readConfig([{ file: 'a.yaml', text: large }], { kinds: istioKinds });
  const kept = admitted.resources[0]?.sourceMap?.();
  expect(Object.keys(kept?.places ?? {}).length).toBeLessThanOrEqual(4000);
  expect(kept === undefined ? undefined : placeIn(kept, 'spec.http[0].match[9].uri')?.line).toBe(
    18,
  );
});
