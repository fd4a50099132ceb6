import { afterAll, beforeAll, expect, it } from 'vitest';
import { certificatePem, keyPem } from '../../test/fixtures/certificates.ts';
import type { TestControl } from '../../test/fixtures/control.ts';
import { serviceEntry, startTestControl } from '../../test/fixtures/control.ts';

const gateway = `apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge}
spec: {gatewayClassName: lateen, listeners: [{name: tls, port: 443, protocol: HTTPS, hostname: shop.example.com, tls: {certificateRefs: [{name: shop}]}}]}
`;
const secret = JSON.stringify({
  apiVersion: 'v1',
  kind: 'Secret',
  metadata: { name: 'shop' },
  stringData: { 'tls.crt': certificatePem, 'tls.key': keyPem },
});

let control: TestControl;
beforeAll(async () => {
  control = await startTestControl();
  for (const body of [serviceEntry('cart'), gateway, secret])
    expect((await control.ask('POST', '/v1/apply', { body })).status).toBe(200);
});
afterAll(() => control.close());

async function viewer(): Promise<string> {
  const body = JSON.stringify({ name: 'reader', role: 'viewer' });
  return String((await control.ask('POST', '/v1/tokens', { body })).body['token']);
}

it('describes a host to who may read', async () => {
  const path = '/v1/describe?host=cart.example.com&namespace=default';
  const { status, body } = await control.ask('GET', path, { token: await viewer() });
  expect(status).toBe(200);
  expect(body).toMatchObject({
    host: 'cart.example.com',
    namespace: 'default',
    service: { resource: 'ServiceEntry default/cart', path: 'spec.hosts[0]' },
    endpoints: [{ address: '127.0.0.1', path: 'spec.endpoints[0]' }],
  });
  expect((await control.ask('GET', path, { token: 'none' })).status).toBe(401);
});

it('names the certificate of a gateway and keeps its contents', async () => {
  const { body } = await control.ask('GET', '/v1/describe?host=shop.example.com');
  expect(body['gateways']).toMatchObject([
    { certificates: [{ secret: 'default/shop', exists: true, notAfter: '2046-11-19T12:45:36Z' }] },
  ]);
  expect(JSON.stringify(body)).not.toMatch(/BEGIN|tls\.key/);
});

it('names similar hosts where nobody knows one, and asks for a host', async () => {
  const unknown = await control.ask('GET', '/v1/describe?host=crat.example.com');
  expect(unknown.status).toBe(404);
  expect(unknown.headers.get('content-type')).toContain('application/problem+json');
  expect(unknown.body['detail']).toBe(
    'nothing names host crat.example.com, did you mean cart.example.com, shop.example.com?',
  );
  expect((await control.ask('GET', '/v1/describe')).status).toBe(400);
});

it('stands in the OpenAPI document', async () => {
  const { body } = await control.ask('GET', '/openapi.json');
  const paths = body['paths'] as Record<string, { get?: { parameters?: { name: string }[] } }>;
  const names = paths['/v1/describe']?.get?.parameters?.map(({ name }) => name);
  expect(names).toEqual(['host', 'namespace']);
});
