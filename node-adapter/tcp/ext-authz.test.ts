/** CUSTOM policies about connections that aren't read as HTTP. */
import { afterEach, expect, it } from 'vitest';
import { startAuthorizer } from '../../test/fixtures/ext-authz.ts';
import type { TestAuthorizer } from '../../test/fixtures/ext-authz.ts';
import { rawClient, rawExchange, startBackend } from '../../test/fixtures/node-proxy.ts';
import { cluster, clusterName } from '../../test/fixtures/snapshots.ts';
import { startCarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import type { CarriedProxy } from '../../test/fixtures/tcp-proxy.ts';
import { createCall } from '../call.ts';
import { Upstreams } from '../pool/upstreams.ts';
import { Deadlines } from '../sockets/deadlines.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0).toReversed()) close();
});

const RULE = { sources: [], operations: [], conditions: [] };
const OF_PORT_81 = {
  ...RULE,
  operations: [[{ attribute: { of: 'port' }, values: [{ kind: 'exact', value: '81' }] }]],
};

interface Stage {
  readonly carried: CarriedProxy;
  readonly authorizer: TestAuthorizer;
}

async function stage(fields: object = {}, rules: readonly object[] = [RULE]): Promise<Stage> {
  const authorizer = await startAuthorizer();
  const backend = await startBackend((socket, received) => {
    socket.write(`got ${received}`);
  });
  const deadlines = new Deadlines();
  const upstreams = new Upstreams({
    deadlines,
    mode: 'onread',
    tlsFor: () => undefined,
    onFault: (error) => {
      throw error;
    },
  });
  const provider = {
    kind: 'grpc',
    service: 'checker.test',
    port: 9000,
    timeoutMs: 1000,
    failOpen: false,
    statusOnError: 403,
    clearRouteCache: false,
    cluster: clusterName('checker'),
    ...fields,
  };
  const policies = [{ name: 'default/ask', rules, dryRun: false }];
  const carried = await startCarriedProxy({
    ports: [backend.port],
    others: [{ cluster: cluster('checker'), ports: [authorizer.port] }],
    dial: createCall(() => upstreams),
    peer: { principal: 'cluster.local/ns/web/sa/cart', tls: { sni: 'shop.test', mutual: true } },
    listener: {
      filters: [
        {
          kind: 'ext-authz',
          config: { providers: [{ name: 'checker', policies, authorizer: provider }] },
        },
      ],
    },
  });
  closing.push(
    () => authorizer.close(),
    () => backend.close(),
    () => deadlines.close(),
    () => upstreams.close(),
    () => carried.close(),
  );
  return { carried, authorizer };
}

it('is asked before a byte goes anywhere, and what it allows is carried', async () => {
  const { carried, authorizer } = await stage();
  const client = rawClient(carried.port);
  client.write('hello');
  expect(await client.until(/got hello/)).toBe('got hello');
  client.socket.resetAndDestroy();
  expect(authorizer.seen[0]?.attributes).toMatchObject({
    source: {
      address: { socket_address: { address: '127.0.0.1' } },
      principal: 'spiffe://cluster.local/ns/web/sa/cart',
    },
    destination: { address: { socket_address: { port_value: 80 } } },
    request: null,
    tls_session: { sni: 'shop.test' },
  });
  expect(await carried.line()).toMatchObject({ ext_authz: 'checker=ok', bytes_received: 5 });
});

it('closes what it refuses, and says so in the log alone', async () => {
  const { carried, authorizer } = await stage();
  authorizer.answer = { status: { code: 7 }, denied_response: { body: 'go away' } };
  expect(await rawExchange(carried.port, 'hello')).toBe('');
  expect(await carried.line()).toMatchObject({
    flags: 'UAEX',
    details: 'ext_authz_denied',
    policy: 'default/ask',
    policy_rule: 0,
    ext_authz: 'checker=denied',
    bytes_sent: 0,
  });
  expect(carried.plane.connections.stats().listeners['tcp.80']?.authorization?.asked).toEqual({
    checker: { denied: 1 },
  });
});

it('that fails closes, or lets pass under failOpen', async () => {
  const closed = await stage();
  closed.authorizer.answer = new Error('broken');
  expect(await rawExchange(closed.carried.port, 'hello')).toBe('');
  expect(await closed.carried.line()).toMatchObject({ details: 'ext_authz_error{grpc-status_2}' });
  const open = await stage({ failOpen: true });
  open.authorizer.answer = new Error('broken');
  const client = rawClient(open.carried.port);
  client.write('hello');
  expect(await client.until(/got hello/)).toBe('got hello');
  client.end();
});

it("isn't asked about what no rule matches", async () => {
  const { carried, authorizer } = await stage({}, [OF_PORT_81]);
  const client = rawClient(carried.port);
  client.write('x');
  await client.until(/got x/);
  client.end();
  expect(authorizer.seen).toEqual([]);
});

it('a client that goes meanwhile is counted nowhere', async () => {
  const { carried, authorizer } = await stage();
  let answer: ((given: object) => void) | undefined;
  authorizer.answer = new Promise((resolve) => {
    answer = resolve;
  });
  const client = rawClient(carried.port);
  await expect.poll(() => authorizer.seen.length).toBe(1);
  client.socket.resetAndDestroy();
  await client.closed;
  for (const connection of carried.connections) connection.cut('drained');
  expect(await carried.line()).toMatchObject({
    details: 'downstream_closed_before_connect',
  });
  answer?.({ status: { code: 0 } });
  await new Promise((resolve) => {
    setTimeout(resolve, 50);
  });
  expect(carried.plane.connections.stats().clusters).toEqual({});
});

it('over HTTP is asked about no connection', async () => {
  const { carried, authorizer } = await stage({
    kind: 'http',
    pathPrefix: '',
    requestHeaders: [],
    additionalHeaders: [],
    upstreamOnAllow: [],
    downstreamOnAllow: [],
    downstreamOnDeny: [],
  });
  authorizer.answer = { status: { code: 7 } };
  const client = rawClient(carried.port);
  client.write('x');
  expect(await client.until(/got x/)).toBe('got x');
  client.end();
  expect(authorizer.seen).toEqual([]);
});
