import { describe, expect, test } from 'vitest';
import { listener } from '../../test/fixtures/snapshots.ts';
import { RequestHeaderList } from '../lib/header-list.ts';
import type { PeerCertificate } from '../model/identity.ts';
import type { ClientCertificateMode, Listener } from '../model/snapshot.ts';
import { tellClientCertificate } from './client-certificate.ts';
import type { EngineExchange } from './exchange.ts';

const NAME = 'x-forwarded-client-cert';
const shown: PeerCertificate = {
  hash: 'ab12',
  subject: 'CN=a',
  uris: ['spiffe://mesh.test/ns/a/sa/caller'],
  dns: [],
  by: 'spiffe://mesh.test/ns/b/sa/api',
};
const OWN =
  'By=spiffe://mesh.test/ns/b/sa/api;Hash=ab12;Subject="CN=a";URI=spiffe://mesh.test/ns/a/sa/caller';

interface Arrived {
  readonly direction: Listener['direction'];
  readonly mode?: ClientCertificateMode;
  readonly certificate?: PeerCertificate;
  readonly sent?: readonly string[];
}

function told({ direction, mode, certificate, sent = [] }: Arrived): string | undefined {
  const line = { method: 'GET', scheme: 'https', authority: 'h', target: '/' } as const;
  const request = new RequestHeaderList(
    line,
    sent.map((value) => [NAME, value]),
  );
  tellClientCertificate({
    request,
    peer: { ip: '192.0.2.1', ...(certificate === undefined ? {} : { certificate }) },
    listener: listener({ direction }),
    linked: {
      named: { snapshot: { mesh: mode === undefined ? {} : { clientCertificates: mode } } },
    },
  } as unknown as EngineExchange);
  return request.get(NAME);
}

describe('X-Forwarded-Client-Cert', () => {
  test.each([
    [undefined, undefined, undefined],
    ['SANITIZE', undefined, undefined],
    ['FORWARD_ONLY', 'Hash=1', undefined],
    ['APPEND_FORWARD', `Hash=1,${OWN}`, undefined],
    ['SANITIZE_SET', OWN, undefined],
    ['ALWAYS_FORWARD_ONLY', 'Hash=1', 'Hash=1'],
  ] as const)('at a gateway under %s', (mode, ofClient, ofNobody) => {
    const arrived = {
      direction: 'gateway',
      sent: ['Hash=1'],
      ...(mode === undefined ? {} : { mode }),
    } as const;
    expect(told({ ...arrived, certificate: shown })).toBe(ofClient);
    expect(told(arrived)).toBe(ofNobody);
  });

  test('a sidecar appends its peer to what a proxy of the mesh said, and believes nobody else', () => {
    expect(told({ direction: 'inbound', certificate: shown })).toBe(OWN);
    expect(told({ direction: 'inbound', certificate: shown, sent: ['Hash=1', 'Hash=2'] })).toBe(
      `Hash=1,Hash=2,${OWN}`,
    );
    expect(told({ direction: 'inbound', certificate: shown, sent: [''] })).toBe(OWN);
    expect(told({ direction: 'inbound', sent: ['Hash=1'], mode: 'ALWAYS_FORWARD_ONLY' })).toBe(
      undefined,
    );
    expect(told({ direction: 'outbound', sent: ['Hash=1'] })).toBe(undefined);
  });

  test('no name of a certificate ends its own value', () => {
    const certificate = {
      ...shown,
      by: '',
      subject: String.raw`CN=a\,b";URI=spiffe://x`,
      uris: ['spiffe://mesh.test/a;URI=spiffe://mesh.test/b'],
      dns: ['a.test,Hash=0', 'b.test'],
    };
    expect(told({ direction: 'inbound', certificate })).toBe(
      String.raw`Hash=ab12;Subject="CN=a\\,b\";URI=spiffe://x";URI="spiffe://mesh.test/a;URI=spiffe://mesh.test/b";DNS="a.test,Hash=0";DNS=b.test`,
    );
  });
});
