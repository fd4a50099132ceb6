import { X509Certificate } from 'node:crypto';
import { afterAll, expect, it } from 'vitest';
import { trustSettings } from '../../test/fixtures/mesh-proxy.ts';
import { Pki } from '../../test/fixtures/pki.ts';
import { meshSettings } from '../../test/fixtures/trust.ts';
import { GivenSecrets } from '../secrets.ts';
import { KnownCertificates } from './known-certificates.ts';
import type { KnownCertificate } from './known-certificates.ts';
import type { Distrust } from './trust.ts';
import { MeshTrust } from './trust.ts';

const pki = new Pki();
const root = pki.authority('root');
const next = pki.authority('next');
const partner = pki.authority('partner');
afterAll(() => pki.remove());

const known = (identity: string, authority = root): KnownCertificate => {
  const { certificate } = authority.issue({ names: `URI:spiffe://${identity}` });
  const read = new KnownCertificates().read(new X509Certificate(certificate).raw);
  if (read === undefined) throw new Error('unreadable');
  return read;
};
const ID = 'mesh.test/ns/a/sa/b';
const workload = { ...root.issue({ names: `URI:spiffe://${ID}` }), authorities: root.certificate };

function trusting(): { readonly trust: MeshTrust; readonly secrets: GivenSecrets } {
  const secrets = new GivenSecrets();
  secrets.replace({ workload });
  return { trust: new MeshTrust(secrets), secrets };
}

it('believes nobody before a configuration, and shows the workload\u2019s own authorities', () => {
  const { trust } = trusting();
  expect(trust.judge(known(ID))?.reason).toContain('of another mesh');
  expect(trust.get('workload')?.authorities).toBe(root.certificate);
  expect(trust.ownUri).toBe(`spiffe://${ID}`);
});

it('makes handshakes with the authorities of all domains, those of others told by others', () => {
  const { trust } = trusting();
  const roots = { 'mesh.test': [next.certificate], 'partner.test': [partner.certificate] };
  trust.update('gateway', meshSettings({ trust: trustSettings(roots) }));
  const authorities = trust.get('workload')?.authorities ?? '';
  for (const one of [root, next, partner]) expect(authorities).toContain(one.certificate.trim());
  expect(trust.get('edge/cert')).toBeUndefined();
  expect(trust.judge(known(ID))).toBeUndefined();
  expect(trust.judge(known(ID, next))).toBeUndefined();
  expect(trust.judge(known('alias.test/ns/a/sa/b', next))).toBeUndefined();
  expect(trust.judge(known(ID, partner))?.isDenied).toBe(false);
});

it('has no authorities where its domain has none', () => {
  const { trust } = trusting();
  trust.update('gateway', meshSettings({ trust: trustSettings({ 'mesh.test': [] }) }));
  expect(trust.get('workload')).not.toHaveProperty('authorities');
  expect(trust.judge(known(ID))).toBeDefined();
});

it('tells of changes alone, whoever they come from', () => {
  const { trust, secrets } = trusting();
  let told = 0;
  trust.onChange(() => told++);
  const mesh = meshSettings();
  trust.update('gateway', mesh);
  trust.update('gateway', { ...mesh });
  expect(told).toBe(1);
  secrets.replace({ workload: { ...workload, authorities: next.certificate } });
  expect(told).toBe(2);
  expect(trust.judge(known(ID))).toBeDefined();
  expect(trust.judge(known(ID, next))).toBeUndefined();
});

it('denies what any scope denies, under each name of the mesh', () => {
  const { trust } = trusting();
  const denied = trustSettings({}, { identities: [ID, 'partner.test/x'] });
  trust.update('sidecar-inbound', meshSettings({ trust: denied }));
  trust.update('sidecar-outbound', meshSettings());
  expect(trust.judge(known(ID))?.isDenied).toBe(true);
  expect(trust.judge(known('alias.test/ns/a/sa/b'))?.isDenied).toBe(true);
  expect(trust.judge(known('partner.test/x'))?.isDenied).toBe(true);
  expect(trust.judge(known('mesh.test/ns/a/sa/c'))).toBeUndefined();
  trust.update('sidecar-inbound', meshSettings());
  expect(trust.judge(known(ID))).toBeUndefined();
});

it('watches who stands on a proof, until it is told to stop', () => {
  const { trust, secrets } = trusting();
  trust.update('gateway', meshSettings());
  const heard: Distrust[] = [];
  const one = known(ID);
  expect(trust.judge(one)).toBeUndefined();
  const stop = trust.watch({ known: one, onDistrust: (distrust) => heard.push(distrust) });
  secrets.replace({ workload: { ...workload, authorities: root.certificate + next.certificate } });
  expect(heard).toEqual([]);
  secrets.replace({ workload: { ...workload, authorities: next.certificate } });
  expect(heard).toHaveLength(1);
  expect(heard[0]?.reason).toContain('no authority of its trust domain');
  stop();
  secrets.replace({ workload: { ...workload, authorities: partner.certificate } });
  expect(heard).toHaveLength(1);
});

it('holds on to the way that a proof went when authorities change', () => {
  const { trust, secrets } = trusting();
  trust.update('gateway', meshSettings());
  const middle = root.subordinate('middle');
  const one = known(ID, middle);
  expect(trust.judge(one)).toBeDefined();
  const x509 = new X509Certificate(middle.certificate);
  const sent = (): never[] => [];
  expect(trust.judge(one, sent)).toBeDefined();
  const read = new KnownCertificates().read(x509.raw);
  expect(trust.judge(one, () => (read === undefined ? [] : [{ x509, read }]))).toBeUndefined();
  secrets.replace({ workload: { ...workload, authorities: next.certificate + root.certificate } });
  expect(trust.judge(one)).toBeUndefined();
});
