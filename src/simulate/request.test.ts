import { expect, it } from 'vitest';
import { requestFaults } from './request.ts';

it.each<[unknown, string, string]>([
  [[], '', 'want fields'],
  [null, '', 'want fields'],
  [{ host: 5 }, 'host', 'want text'],
  [{ hots: 'shop' }, 'hots', 'is no field'],
  [JSON.parse('{"__proto__": 1}'), '__proto__', 'is no field'],
  [{ scheme: 'ftp' }, 'scheme', 'want http or https'],
  [{ port: '80' }, 'port', 'want a number from 1'],
  [{ port: 65_536 }, 'port', 'want a number from 1'],
  [{ headers: { a: 'b' } }, 'headers', 'want a list'],
  [{ headers: [['a', 'b'], ['a']] }, 'headers.1', 'want [name, value]'],
  [{ headers: [['a b', 'c']] }, 'headers.0.0', 'is no name'],
  [{ headers: [['a', 'b\r\nc: d']] }, 'headers.0.1', 'no line breaks'],
  [{ peer: { ip: '10.0.0.0/8' } }, 'peer.ip', 'want an IP address'],
  [{ peer: { principal: '' } }, 'peer.principal', 'not empty'],
  [{ peer: { proof: 'mutual' } }, 'peer.proof', 'want credential, platform or none'],
  [{ tls: { mutual: 'yes' } }, 'tls.mutual', 'true or false'],
])('%j: %s %s', (value, path, message) => {
  const [first, ...others] = requestFaults(value);
  expect(first?.path.join('.')).toBe(path);
  expect(first?.message).toContain(message);
  expect(others).toEqual([]);
});

it('finds all faults, and none in what can be asked', () => {
  expect(requestFaults({ host: 1, path: 2, peer: { ip: 3, country: 4 } })).toHaveLength(4);
  expect(
    requestFaults({
      method: 'GET',
      scheme: 'https',
      host: '[::1]:443',
      port: 443,
      path: '/',
      headers: [['x-a', '']],
      peer: { ip: '::1', principal: 'cluster.local/ns/a/sa/b', country: 'FI' },
      tls: { sni: 'shop', mutual: true },
    }),
  ).toEqual([]);
});
