import { describe, expect, it } from 'vitest';
import { readConfig } from '../../config/pipeline.ts';
import { compile } from '../../config/compile/index.ts';
import { kinds, policyCompilers } from '../../presets/control.ts';
import { publishedKey } from '../../../test/fixtures/keys.ts';

const scope = {
  type: 'gateway',
  namespace: 'edge',
  name: 'front',
  labels: { app: 'front' },
} as const;

function read(rule: string) {
  const text = `apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: g, namespace: edge}
spec: {selector: {app: front}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ['*']}]}
---
apiVersion: security.istio.io/v1
kind: RequestAuthentication
metadata: {name: jwt, namespace: edge}
spec: {jwtRules: [${rule}]}
`;
  const { resources, diagnostics } = readConfig([{ file: 'a.yaml', text }], { kinds });
  const all = resources.map(({ resource }) => resource);
  return { all, said: diagnostics.map(({ level, message }) => `${level} ${message}`) };
}

const withKeys = (keys: readonly unknown[]): string =>
  `{issuer: "https://a.test", jwks: '${JSON.stringify({ keys })}'}`;

describe('inline keys', () => {
  it('travel without what only their owner may have, and without keys that verify nothing', () => {
    const secret = { ...publishedKey, kid: 'a', d: 'c2VjcmV0', use: 'enc', x5c: ['MII'] };
    const weak = { kty: 'RSA', kid: 'weak', n: 'w'.repeat(172), e: 'AQAB' };
    const { all, said } = read(withKeys([secret, weak, null]));
    const { named } = compile({ resources: all, scope }, policyCompilers);
    const [filter] = named.snapshot.listeners[0]?.filters ?? [];
    expect(filter?.config).toMatchObject({
      rules: [{ jwks: { keys: [{ ...publishedKey, kid: 'a' }] } }],
    });
    expect(JSON.stringify(named)).not.toMatch(/c2VjcmV0|MII|weak/);
    expect(said).toEqual([
      expect.stringContaining('keys[1] of jwks verifies no token: its modulus has 1032 bits'),
      expect.stringContaining('keys[2] of jwks verifies no token: it is no object'),
      expect.stringContaining('who reads this resource can sign tokens'),
    ]);
    expect(said.every((line) => line.startsWith('warning'))).toBe(true);
  });
});

describe('admission', () => {
  it.each([
    ['an output to a header of framing', 'outputPayloadToHeader: Transfer-Encoding'],
    ['a claim to Host', 'outputClaimToHeaders: [{header: Host, claim: a}]'],
    ['a claim to Content_Length', 'outputClaimToHeaders: [{header: Content_Length, claim: a}]'],
    ['a claim to Connection', 'outputClaimToHeaders: [{header: connection, claim: a}]'],
    [
      'a claim to a proxy header',
      'outputClaimToHeaders: [{header: Proxy-Authorization, claim: a}]',
    ],
    ['a payload to no header', 'outputPayloadToHeader: "x y"'],
    ['a payload to two lines', 'outputPayloadToHeader: "x\\r\\ny"'],
    ['two spellings that differ', 'jwksUri: "https://a.test/1", jwks_uri: "https://a.test/2"'],
  ])('refuses %s', (_name, fields) => {
    const { said } = read(`{issuer: "https://a.test", ${fields}}`);
    expect(said.filter((line) => line.startsWith('error'))).toHaveLength(1);
  });

  it('reads both spellings of jwksUri', () => {
    const { all, said } = read('{issuer: "https://a.test", jwks_uri: "https://a.test/keys"}');
    expect(said).toEqual([]);
    expect(compile({ resources: all, scope }, policyCompilers).jwksUris).toEqual([
      'https://a.test/keys',
    ]);
  });
});
