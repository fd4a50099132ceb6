import { expect, it } from 'vitest';
import { listener, snapshot } from '../../test/fixtures/snapshots.ts';
import type { Resource } from '../model/api.ts';
import type { Listener, Snapshot } from '../model/snapshot.ts';
import { secretNames, secretsOf } from './secrets.ts';

function secret(name: string, data: Readonly<Record<string, string>>, revision = '1'): Resource {
  const [namespace = '', own = ''] = name.split('/');
  const metadata = { namespace, name: own, resourceVersion: revision };
  return { group: '', version: 'v1', kind: 'Secret', metadata, spec: {}, data };
}

function withTls(
  path: string,
  credentialNames: readonly string[],
  authorityName?: string,
): Listener {
  return {
    ...listener({ protocol: 'HTTPS' }),
    tls: {
      mode: 'SIMPLE',
      credentialNames,
      ...(authorityName === undefined ? {} : { authorityName }),
    },
    origins: [{ resource: 'Gateway edge/g', path }],
  };
}

function namesIn(...listeners: readonly Listener[]): readonly string[] {
  const { snapshot: whole } = snapshot({ listeners });
  const scope: Snapshot['scope'] = { ...whole.scope, namespace: 'edge' };
  return secretNames({ ...whole, scope });
}

it('takes from another namespace only what the Gateway API granted', () => {
  const credentials = ['own', 'edge/named', 'other/named', 'file:key=/etc/a.key', 'configmap://x'];
  expect(namesIn(withTls('spec.servers[0]', credentials, 'other/clients'))).toEqual([
    'edge/named',
    'edge/own',
  ]);
  expect(namesIn(withTls('spec.listeners[0]', ['other/named']))).toEqual(['other/named']);
  const { origins: _origins, ...unknown } = withTls('spec.listeners[0]', ['other/named']);
  expect(namesIn(unknown)).toEqual([]);
});

it('knows both spellings of a Secret, and authorities in one of their own', () => {
  const { secrets } = secretsOf(
    ['edge/a', 'edge/b', 'edge/away'],
    [
      secret('edge/a', { 'tls.crt': 'C', 'tls.key': 'K', 'ca.crt': 'A', 'ca.crl': 'R' }),
      secret('edge/b', { cert: 'c', key: 'k' }),
      secret('edge/b-cacert', { cacert: 'a' }),
    ],
  );
  expect(secrets).toEqual({
    'edge/a': { certificate: 'C', key: 'K', authorities: 'A', revoked: 'R' },
    'edge/b': { certificate: 'c', key: 'k', authorities: 'a' },
  });
});

it('has a version that changes with revisions, and tells nothing of what they hold', () => {
  const of = (text: string, revision: string): string =>
    secretsOf(['edge/a'], [secret('edge/a', { 'tls.key': text }, revision)]).version;
  expect(of('one', '1')).toBe(of('two', '1'));
  expect(of('one', '1')).not.toBe(of('one', '2'));
  expect(of('one', '1')).not.toBe(secretsOf(['edge/a'], []).version);
});

it('gives policies the entries of Secrets that they name, without keys of certificates', () => {
  const door = { kind: 'oidc', config: {}, secrets: ['edge/site'] };
  const names = namesIn({ ...listener({ protocol: 'HTTP' }), filters: [door] });
  expect(names).toEqual(['values:edge/site']);
  const data = { 'client-secret': 's', 'tls.key': 'K', key: 'k', 'tls.crt': 'C' };
  const { secrets, version } = secretsOf(names, [secret('edge/site', data)]);
  expect(secrets).toEqual({
    'values:edge/site': { values: { 'client-secret': 's', 'tls.crt': 'C' } },
  });
  expect(version).not.toBe(secretsOf(names, [secret('edge/site', data, '2')]).version);
  expect(secretsOf(names, []).secrets).toEqual({});
});

it('no credential of a listener is taken for what policies read', () => {
  expect(namesIn(withTls('spec.servers[0]', ['values:edge/site', 'values:site']))).toEqual([]);
});
