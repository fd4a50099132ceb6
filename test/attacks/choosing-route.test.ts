/** Requests that look like another route's until a door has looked at them: what the route's own door says is judged all the same. */
import { createServer } from 'node:http';
import type { IncomingHttpHeaders, Server } from 'node:http';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { apiKeyEntry } from '../../src/lib/api-key.ts';
import { Browser } from '../fixtures/browser.ts';
import { endServer, listen } from '../fixtures/gateway.ts';
import { gatewayBefore, startTestProxy } from '../fixtures/node-proxy.ts';
import type { TestProxy } from '../fixtures/node-proxy.ts';

const ANN = 'key-of-ann-0123456789';
const EVE = 'key-of-eve-0123456789';
const SIDE = 'key-of-the-side-door-0123456789';

const RULES = `[
  {name: gold, match: [{headers: {x-tier: {exact: gold}}}], route: [{destination: {host: back.test}}]},
  {name: side, match: [{headers: {x-tier: {exact: side}}}], route: [{destination: {host: back.test}}]},
  {name: plain, route: [{destination: {host: back.test}}]}]`;

const door = (name: string, keys: string, from: string): string => `---
apiVersion: lateen.io/v1
kind: Policy
metadata: {name: ${name}}
spec:
  targetRefs: [{group: networking.istio.io, kind: VirtualService, name: back, sectionName: ${name}}]
  apiKeys: {from: [{header: ${from}}], keys: [${keys}]}
`;
const consumer = (name: string, key: string): string =>
  `{name: ${name}, hashes: ["${apiKeyEntry(key)}"]}`;

const policy = (action: string, principal: string): string => `---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: who}
spec: {action: ${action}, rules: [{from: [{source: {requestPrincipals: ["${principal}"]}}]}]}
`;

const TIERS = `---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: tiers}
spec: {jwtRules: [{issuer: i, jwks: '{"keys":[]}', outputClaimToHeaders: [{header: x-tier, claim: tier}]}]}
`;

let backend: Server;
let proxy: TestProxy;
let taken: IncomingHttpHeaders[] = [];
let mesh = '';
beforeAll(async () => {
  backend = createServer((request, response) => {
    taken.push(request.headers);
    response.end('in');
  });
  mesh = `${gatewayBefore(await listen(backend), RULES)}${TIERS}${door('plain', `${consumer('ann', ANN)}, ${consumer('eve', EVE)}`, 'x-key')}${door('side', consumer('ann', SIDE), 'x-side')}`;
  proxy = await startTestProxy({ yaml: mesh });
});
afterAll(async () => {
  await proxy.close();
  await endServer(backend);
});
beforeEach(() => {
  taken = [];
});

const ask = async (headers: Readonly<Record<string, string>>): Promise<number> =>
  (await new Browser(proxy.port).ask('/', { headers })).status;

describe('who is denied', () => {
  beforeAll(() => proxy.configure(mesh + policy('DENY', 'apikey/eve')));

  it('but another comes in', async () => {
    expect(await ask({ 'x-key': ANN })).toBe(200);
  });
  it.each(['none', 'gold', 'side'])('stays out, whatever tier it claims: %s', async (tier) => {
    expect(await ask({ 'x-key': EVE, 'x-side': SIDE, 'x-tier': tier })).toBe(403);
    expect(taken).toEqual([]);
  });
});

describe('who is not allowed', () => {
  beforeAll(() => proxy.configure(mesh + policy('ALLOW', 'apikey/ann')));

  it('but who is allowed comes in', async () => {
    expect(await ask({ 'x-key': ANN })).toBe(200);
  });
  it.each(['none', 'gold', 'side'])('stays out, whatever tier it claims: %s', async (tier) => {
    expect(await ask({ 'x-key': EVE, 'x-side': SIDE, 'x-tier': tier })).toBe(403);
    expect(taken).toEqual([]);
  });
});
