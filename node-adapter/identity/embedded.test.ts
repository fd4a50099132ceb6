/** A sidecar inside a program, with an identity that joined: what it shows, and whom it believes. */
import { connect } from 'node:tls';
import type { TLSSocket } from 'node:tls';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { makeRoot } from '../../control/identity/offline.ts';
import { DOMAIN } from '../../test/fixtures/authority.ts';
import { IDENTITY, joiningOf, startJoinServer } from '../../test/fixtures/joining.ts';
import type { JoinServer } from '../../test/fixtures/joining.ts';
import { trustSettings } from '../../test/fixtures/mesh-proxy.ts';
import { startApp } from '../../test/fixtures/node-process.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { createSidecar, createWorkloadIdentity } from '../index.ts';
import type { Sidecar, WorkloadIdentity } from '../index.ts';

const SCOPE: ProxyScope = {
  type: 'sidecar-inbound',
  namespace: 'default',
  name: 'cart',
  labels: { app: 'cart' },
  service: 'cart.default.svc.cluster.local',
};

const configuration = (port: number): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data: {mesh: 'trustDomain: ${DOMAIN}'}
---
apiVersion: networking.istio.io/v1
kind: ServiceEntry
metadata: {name: cart}
spec: {hosts: [cart.default.svc.cluster.local], location: MESH_INTERNAL, resolution: STATIC, ports: [{number: 80, targetPort: ${port}, name: http, protocol: HTTP}], endpoints: [{address: 127.0.0.1, labels: {app: cart}}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
`;

let server: JoinServer;
const ends: (() => unknown)[] = [];
beforeEach(async () => {
  server = await startJoinServer({ ttlMs: 4000 });
  ends.push(() => server.close());
});
afterEach(async () => {
  for (const end of ends.splice(0).reverse()) await end();
});

async function joined(identity: string): Promise<WorkloadIdentity> {
  const token = await server.token({ identity });
  const one = createWorkloadIdentity({
    url: server.url,
    file: `${server.folder}/${identity.replaceAll('/', '.')}.json`,
    joining: () => joiningOf(token),
    log: () => undefined,
  });
  await one.start();
  ends.push(() => one.stop());
  return one;
}

async function start(workload: WorkloadIdentity): Promise<{
  readonly sidecar: Sidecar;
  configure(trust: TrustSettings): Promise<void>;
}> {
  const app = await startApp();
  ends.push(() => app.close());
  const sidecar = await createSidecar({
    scopes: [SCOPE],
    fronts: [{ kind: 'inbound', at: { host: '127.0.0.1', port: 0 }, listenerPort: app.port }],
    app: { host: '127.0.0.1', port: app.port },
    workload,
    log: () => undefined,
  });
  ends.push(() => sidecar.close());
  const { resources } = readConfig([{ file: 'test', text: configuration(app.port) }], { kinds });
  const all = resources.map(({ resource }) => resource);
  return {
    sidecar,
    async configure(trust) {
      const { named, endpoints } = compile(
        { resources: all, scope: SCOPE, trust },
        policyCompilers,
      );
      const keys = { version: '', sets: {} };
      await sidecar.apply('sidecar-inbound', { named, endpoints, keys });
    },
  };
}

async function call(port: number, client: WorkloadIdentity): Promise<TLSSocket> {
  const { certificate, key, authorities } = client.material ?? {};
  const socket = connect({
    host: '127.0.0.1',
    port,
    ca: authorities,
    cert: certificate,
    key,
    servername: '',
    checkServerIdentity: () => undefined,
  });
  ends.push(() => socket.destroy());
  await ask(socket);
  return socket;
}

function ask(socket: TLSSocket): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.once('data', (chunk: Buffer) => {
      if (chunk.toString().startsWith('HTTP/1.1 200')) resolve();
      else reject(new Error(chunk.toString()));
    });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.write('GET / HTTP/1.1\r\nHost: cart\r\n\r\n');
  });
}

it('shows the certificate in force, and keeps connections when it is renewed', async () => {
  const workload = await joined(IDENTITY);
  const client = await joined(`${DOMAIN}/ns/shop/sa/client`);
  const { sidecar, configure } = await start(workload);
  const roots = [workload.material?.authorities ?? ''];
  await configure(trustSettings({ [DOMAIN]: roots }));
  const [{ port } = { port: 0 }] = await sidecar.listen();
  const first = await call(port, client);
  const shown = first.getPeerX509Certificate();
  expect(shown?.subjectAltName).toBe(`URI:spiffe://${IDENTITY}`);
  const before = workload.material;
  await expect.poll(() => workload.material === before, { timeout: 5000 }).toBe(false);
  await ask(first);
  const second = await call(port, client);
  expect(second.getPeerX509Certificate()?.serialNumber).not.toBe(shown?.serialNumber);
});

it('tells its identity of the roots that a configuration brings', async () => {
  const workload = await joined(IDENTITY);
  const { configure } = await start(workload);
  const own = workload.material?.authorities ?? '';
  const other = (await makeRoot(DOMAIN, Date.now())).certificate;
  await configure(trustSettings({ [DOMAIN]: [own, other], 'other.test': [] }));
  expect(workload.material?.authorities).toBe(`${own}\n${other}`);
});
