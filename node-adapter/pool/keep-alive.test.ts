/** TCP keepalive, as the system and the runtime see it. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { Socket, createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, describe, expect, it, vi } from 'vitest';
import { Pki } from '../../test/fixtures/pki.ts';
import { connectTo } from '../tcp/connect.ts';
import { createDialer } from './dial.ts';
import type { DialOptions } from './dial.ts';

const open: { close(): unknown }[] = [];
afterEach(() => {
  vi.restoreAllMocks();
  for (const one of open.splice(0).reverse()) one.close();
});
const pki = new Pki();
afterAll(() => pki.remove());

const KEEPALIVE = '02';
const TICKS_IN_SECOND = 100;
/** The system's list is long where many connections have ended of late, and read by and by. */
const PATIENCE_MS = 15_000;

/** Seconds until the kernel's next probe over a connection that is quiet; undefined = it sends none. */
function secondsToProbe({ localPort = 0 }: Socket): number | undefined {
  const own = `0100007F:${localPort.toString(16).toUpperCase().padStart(4, '0')}`;
  const fields = readFileSync('/proc/net/tcp', 'latin1')
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .find((line) => line[1] === own);
  const [timer = '', when = ''] = fields?.[5]?.split(':') ?? [];
  return timer === KEEPALIVE ? Number.parseInt(when, 16) / TICKS_IN_SECOND : undefined;
}

async function listening(isSecure: boolean): Promise<number> {
  const { certificate, key } = pki.authority('root').issue({ names: 'DNS:back.test' });
  const server = isSecure ? createTlsServer({ cert: certificate, key }) : createServer();
  server.on(isSecure ? 'secureConnection' : 'connection', (socket: Socket) => {
    open.push({ close: () => socket.destroy() });
    socket.on('error', () => undefined).resume();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  open.push(server);
  return (server.address() as AddressInfo).port;
}

async function dialed(
  isSecure: boolean,
  fields: Pick<DialOptions, 'keepAlive' | 'preface'>,
): Promise<Socket> {
  const dial = createDialer({
    host: '127.0.0.1',
    port: await listening(isSecure),
    connectTimeoutMs: 2000,
    tls: isSecure ? () => ({ rejectUnauthorized: false }) : undefined,
    mode: 'onread',
    ...fields,
  });
  const socket = await new Promise<Socket>((resolve, reject) => {
    dial({ onBytes: () => undefined }, { onConnected: resolve, onFailed: reject });
  });
  open.push({ close: () => socket.destroy() });
  return socket;
}

const preface = Buffer.from('PROXY UNKNOWN\r\n');

describe.runIf(process.platform === 'linux')('connections of pools', () => {
  it.each([
    ['plain', false, {}],
    ['TLS', true, {}],
    ['plain behind a header', false, { preface }],
  ])('%s: the first probe comes after the time', async (_name, isSecure, fields) => {
    const socket = await dialed(isSecure, { keepAlive: { timeMs: 300_000 }, ...fields });
    await expect.poll(() => secondsToProbe(socket), { timeout: PATIENCE_MS }).toBeGreaterThan(290);
    expect(secondsToProbe(socket)).toBeLessThan(301);
  });

  it('send none where nobody asks for it', async () => {
    expect(secondsToProbe(await dialed(false, {}))).toBeUndefined();
  });

  it('take what the system would refuse as near as it can', async () => {
    const socket = await dialed(false, { keepAlive: { timeMs: 400_000_000, probes: 5000 } });
    await expect
      .poll(() => secondsToProbe(socket), { timeout: PATIENCE_MS })
      .toBeGreaterThan(32_000);
    const soon = await dialed(false, { keepAlive: { timeMs: 10 } });
    await expect.poll(() => secondsToProbe(soon), { timeout: PATIENCE_MS }).toBeLessThan(1.1);
  });
});

it.each([
  [{ timeMs: 60_000, intervalMs: 5000, probes: 3 }, [true, 60_000, 5000, 3]],
  [{}, [true, 7_200_000, 75_000, 9]],
])('hands the runtime all of %j', async (keepAlive, wanted) => {
  const set = vi.spyOn(Socket.prototype, 'setKeepAlive');
  await dialed(false, { keepAlive });
  expect(set.mock.calls).toEqual([wanted]);
  set.mockClear();
  const port = await listening(false);
  const carried = await new Promise<Socket>((resolve, reject) => {
    const common = { host: '127.0.0.1', port, timeoutMs: 2000, tls: undefined, preface: undefined };
    connectTo({ ...common, keepAlive }, { onConnected: resolve, onFailed: reject });
  });
  open.push({ close: () => carried.destroy() });
  expect(set.mock.calls).toEqual([wanted]);
});
