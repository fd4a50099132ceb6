import { expect, test } from 'vitest';
import { noKeys, shopEndpoint, snapshot } from '../../test/fixtures/snapshots.ts';
import { createFakeHost } from '../host/fake-host.ts';
import { RequestHeaderList } from '../lib/header-list.ts';
import { createEngine } from './engine.ts';
import { link } from './link.ts';

function lineFor(authority: string, target: string, method = 'GET'): string {
  const host = createFakeHost();
  const linked = link(snapshot(), shopEndpoint, noKeys, { host, filters: [] });
  const engine = createEngine({ host });
  const head = new RequestHeaderList({ method, scheme: 'http', authority, target }, []);
  const x = engine.begin({ linked, head, peer: { ip: '192.0.2.7' }, port: 80 });
  engine.onRequest(x);
  engine.onEnd(x, { cancelled: true });
  return host.lines[0] ?? '';
}

test('one line of JSON, whatever a client sends', () => {
  for (const nasty of [
    '"',
    '\\',
    '\n{"status":200}',
    '\r',
    '\u0000',
    '\u001b[31m',
    '\u007f',
    '\u009b',
    '\u2028',
    'é',
  ]) {
    const line = lineFor(`h${nasty}`, `/p${nasty}?q=${nasty}`, `G${nasty}`);
    expect(line).not.toMatch(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]/);
    expect(JSON.parse(line)).toMatchObject({ authority: `h${nasty}`, method: `G${nasty}` });
  }
});

test.each([
  ['/a?access_token=eyJhbGciOiJFUzI1NiJ9.e30.c2ln&b=1', '/a?access_token=<hidden>&b=1'],
  ['/a?t=Bearer%20eyJhbGciOiJFUzI1NiJ9.e30.', '/a?t=Bearer%20<hidden>'],
  ['/a?b=eyJ&c=d.e', '/a?b=eyJ&c=d.e'],
  [`/a?${'eyJ-'.repeat(5)}`, `/a?${'eyJ-'.repeat(5)}`],
])('tokens in the query of %s are hidden', (target, path) => {
  expect(JSON.parse(lineFor('shop.test', target))).toMatchObject({ path });
});

test('bytes both ways, where the driver knows them', () => {
  const host = createFakeHost();
  const linked = link(snapshot(), shopEndpoint, noKeys, { host, filters: [] });
  const engine = createEngine({ host });
  const line = { method: 'POST', scheme: 'http', authority: 'a', target: '/' } as const;
  const head = new RequestHeaderList(line, []);
  const x = engine.begin({ linked, head, peer: { ip: '192.0.2.7' }, port: 80 });
  engine.onRequest(x);
  engine.onEnd(x, { bytesSent: 3, bytesReceived: 4 });
  expect(JSON.parse(host.lines[0] ?? '')).toMatchObject({ bytes_sent: 3, bytes_received: 4 });
});

test('a client that went away is told apart', () => {
  expect(JSON.parse(lineFor('shop.test', '/'))).toMatchObject({ cancelled: true, attempts: 1 });
});
