import { afterAll, afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { Listener } from '../../src/model/snapshot.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import { Credentials } from './credentials.ts';
import { SharedSecrets } from './shared.ts';

const pki = new Pki();
const root = pki.authority('root');
const [first, second] = [root.issue(), root.issue()];
afterAll(() => pki.remove());

const listener = (...credentialNames: readonly string[]): Listener =>
  ({ port: 443, tls: { mode: 'SIMPLE', credentialNames } }) as unknown as Listener;

let log: { readonly level: string; readonly message: string; readonly credential?: string }[];
let listeners: readonly Listener[];
let credentials: Credentials;
let secrets: SharedSecrets;
beforeEach(() => {
  vi.useFakeTimers();
  [log, listeners] = [[], []];
  credentials = new Credentials(
    (line) => log.push(JSON.parse(line) as (typeof log)[number]),
    () => listeners,
  );
  secrets = new SharedSecrets(credentials, () => undefined);
});
afterEach(() => {
  credentials.stop();
  vi.useRealTimers();
});

describe('a broken Secret', () => {
  it('is said at once with its name and reason, once', () => {
    const broken = { certificate: first.certificate, key: 'no key' };
    secrets.replace({ 'edge/cert': broken, 'edge/other': first });
    secrets.replace({ 'edge/cert': { ...broken }, 'edge/other': first });
    expect(log).toMatchObject([
      {
        level: 'error',
        message: 'a Secret can not be used',
        credential: 'edge/cert',
        reason: expect.stringContaining('the private key can not be read') as string,
      },
    ]);
  });

  it.each([
    [{ ...first, key: second.key }, 'mismatch'],
    [{ ...first, certificate: 'none' }, 'the certificate: no certificate in PEM format'],
    [
      { ...first, certificate: `${first.certificate.slice(0, 200)}\n-----END CERTIFICATE-----` },
      'the certificate can not be read',
    ],
    [{ certificate: first.certificate }, 'belong together'],
    [{ ...first, authorities: 'none' }, 'the authorities'],
  ])('leaves the last good one in force: %#', (broken, reason) => {
    secrets.replace({ 'edge/cert': first });
    secrets.replace({ 'edge/cert': broken });
    secrets.replace({ 'edge/cert': broken });
    expect(secrets.get('edge/cert')).toEqual(first);
    expect(secrets.all).toEqual({ 'edge/cert': first });
    expect(log).toHaveLength(1);
    expect(log[0]).toMatchObject({
      message: 'a changed Secret can not be used, the last good one stays',
      reason: expect.stringContaining(reason) as string,
    });
    secrets.replace({ 'edge/cert': second });
    expect(secrets.get('edge/cert')).toEqual(second);
  });

  it('is not replaced by what was taken away meanwhile', () => {
    secrets.replace({ 'edge/cert': first });
    secrets.replace({});
    const broken = { ...second, key: '' };
    secrets.replace({ 'edge/cert': broken });
    expect(secrets.get('edge/cert')).toEqual(broken);
  });
});

describe('a Secret that is not there', () => {
  it('is said once, and again when it goes again', () => {
    listeners = [listener('edge/cert'), listener('edge/cert', 'edge/there')];
    secrets.replace({ 'edge/there': first, 'default/cert': second });
    vi.runAllTimers();
    credentials.review();
    vi.runAllTimers();
    expect(log).toEqual([
      {
        level: 'warning',
        message: 'no Secret edge/cert, or nothing in it that is known',
        credential: 'edge/cert',
        port: 443,
        others: ['default/cert'],
      },
    ]);
    secrets.replace({ 'edge/there': first, 'edge/cert': second });
    vi.runAllTimers();
    expect(log).toHaveLength(1);
    secrets.replace({ 'edge/there': first });
    vi.runAllTimers();
    expect(log).toHaveLength(2);
  });

  it('may be there without a certificate, or be that of authorities', () => {
    listeners = [
      listener('edge/cert'),
      {
        port: 444,
        tls: { mode: 'MUTUAL', credentialNames: ['edge/there'], authorityName: 'edge/ca' },
      } as unknown as Listener,
    ];
    secrets.replace({ 'edge/cert': { authorities: root.certificate }, 'edge/there': first });
    vi.runAllTimers();
    expect(log.map(({ credential }) => credential)).toEqual(['edge/cert', 'edge/ca']);
  });

  it('is not said of what is no Secret, of what is on its way, or of what goes with its listener', () => {
    listeners = [listener('edge/cert')];
    credentials.review();
    vi.runAllTimers();
    secrets.replace({});
    listeners = [listener('file:certificate=/a/b.crt&key=/a/b.key', 'configmap://edge/ca')];
    vi.runAllTimers();
    expect(log).toEqual([]);
  });
});
