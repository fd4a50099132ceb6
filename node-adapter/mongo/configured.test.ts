/** From a Policy in YAML to the server that an operation reaches, and to the counters that say so. */
import { createSidecar, startAdmin, viewOf } from 'lateen/node';
import { afterEach, expect, test } from 'vitest';
import { opMsg } from '../../test/fixtures/mongo-messages.ts';
import { MongoWorld, documentOf, idOf } from '../../test/fixtures/mongo-peers.ts';
import type { Answer } from '../../test/fixtures/mongo-peers.ts';
import { gatewayScope } from '../../test/fixtures/node-proxy.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';

const world = new MongoWorld();
const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  world.close();
  for (const close of closing.splice(0).toReversed()) await close();
});

const named =
  (name: string): Answer =>
  (request) =>
    opMsg({ ok: 1, maxWireVersion: 21, from: name }, { responseTo: idOf(request) });

const entry = (name: string, port: number): string => `---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: ${name}}
spec: {hosts: [${name}.test], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 27017, name: mongo, protocol: MONGO}], endpoints: [{address: 127.0.0.1, ports: {mongo: ${port}}}]}
`;

const yaml = (
  main: number,
  archive: number,
): string => `${entry('main', main)}${entry('archive', archive)}---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: front}
spec: {selector: {app: front}, servers: [{port: {number: 27017, name: mongo, protocol: MONGO}, hosts: ['*']}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: main}
spec: {hosts: ['*'], gateways: [front], tcp: [{route: [{destination: {host: main.test}}]}]}
---
apiVersion: lateen.io/v1
kind: Policy
metadata: {name: archive}
spec:
  targetRefs: [{group: networking.istio.io, kind: Gateway, name: front}]
  mongo: {routes: [{databases: [archive], operations: [read], host: archive.test}]}
`;

test('a service that only a route of operations names is reached', async () => {
  const main = await world.server(named('main'));
  const archive = await world.server(named('archive'));
  const gateway = await createSidecar({
    scopes: [gatewayScope],
    fronts: [{ kind: 'gateway', host: '127.0.0.1', portOf: () => 0 }],
    log: () => undefined,
  });
  closing.push(() => gateway.close());
  const text = yaml(main.port, archive.port);
  const { resources, diagnostics } = readConfig([{ file: 'mesh', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  const compiled = compile(
    { resources: resources.map(({ resource }) => resource), scope: gatewayScope },
    policyCompilers,
  );
  await gateway.listen();
  await gateway.apply('gateway', { ...compiled, keys: { version: '', sets: {} } });
  await gateway.settled();
  const client = world.client(gateway.listening()[0]?.port ?? 0);
  const from = async (document: Record<string, unknown>): Promise<unknown> =>
    documentOf(await client.ask(opMsg(document)))['from'];
  expect(await from({ hello: 1, $db: 'admin' })).toBe('main');
  expect(await from({ find: 'a', $db: 'archive' })).toBe('archive');
  expect(await from({ insert: 'a', $db: 'archive' })).toBe('main');
  const admin = await startAdmin({
    at: { host: '127.0.0.1', port: 0 },
    proxy: viewOf(gateway),
    accessLog: { isOn: true },
    certificates: () => [],
    onDrain: () => undefined,
  });
  closing.push(() => admin.close());
  const stats = await (await fetch(`${admin.address}/stats`)).text();
  expect(stats).toContain(
    'lateen_mongo_routed_operations_total{cluster="outbound|27017||archive.test"} 1',
  );
  expect(stats).toContain('lateen_mongo_unroutable_total 0');
});
