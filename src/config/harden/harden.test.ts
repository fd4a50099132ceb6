import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import * as x509 from '@peculiar/x509';
import { describe, expect, it } from 'vitest';
import { kinds } from '../../presets/control.ts';
import { readConfig } from '../pipeline.ts';
import { harden, hardenCodes, hardenTokens } from './index.ts';

const nowMs = Date.parse('2026-01-01T00:00:00Z');

function found(text: string): string[] {
  const { resources, diagnostics } = readConfig([{ file: 'x', text }], { kinds });
  expect(diagnostics.filter(({ level }) => level === 'error')).toEqual([]);
  return harden(resources, { kinds, nowMs }).map(
    ({ code, resource, path = '' }) => `${code} ${resource ?? 'mesh'} ${path}`,
  );
}

const security = (kind: string, spec: string, meta = 'name: x, namespace: a'): string =>
  `apiVersion: security.istio.io/v1\nkind: ${kind}\nmetadata: {${meta}}\nspec: ${spec}\n`;
const networking = (kind: string, spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: x, namespace: a}\nspec: ${spec}\n`;
const mesh = (text: string): string =>
  `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: istio, namespace: istio-system}\ndata:\n  mesh: |\n${text.replaceAll(/^/gm, '    ')}\n`;
const rule = (text: string): string => networking('DestinationRule', `{host: h, ${text}}`);
const server = (text: string): string =>
  networking('Gateway', `{selector: {a: b}, servers: [${text}]}`);
const allow = (text: string): string => security('AuthorizationPolicy', `{rules: [${text}]}`);
const jwt = security(
  'RequestAuthentication',
  '{jwtRules: [{issuer: i, jwksUri: "https://i.test/k"}]}',
);
const front = (text: string): string =>
  `apiVersion: lateen.io/v1\nkind: Policy\nmetadata: {name: x, namespace: a}\nspec: {selector: {matchLabels: {a: b}}, ${text}}\n`;
const oidc = (more: string): string =>
  front(
    `oidc: {issuer: "https://id.test", clientId: c, secretName: s, authorizationEndpoint: "https://id.test/a", jwksUri: "https://id.test/k", redirectUris: ["https://a.test/cb"], tokenEndpoint: {host: id.test, port: 443, path: /t${more}}}`,
  );
const hash = `sha256:${'a'.repeat(64)}`;
const tls = '{port: {number: 443, name: s, protocol: HTTPS}, hosts: [a.test], tls:';

describe('harden', () => {
  it.each<[string, string]>([
    [
      'LAT0701 PeerAuthentication a/x spec.mtls.mode',
      security('PeerAuthentication', '{mtls: {mode: PERMISSIVE}}'),
    ],
    ['LAT0701 mesh ', security('PeerAuthentication', '{mtls: {mode: STRICT}}')],
    [
      'LAT0702 PeerAuthentication a/x spec.mtls.mode',
      security('PeerAuthentication', '{mtls: {mode: DISABLE}}'),
    ],
    [
      'LAT0702 PeerAuthentication a/x spec.portLevelMtls.80.mode',
      security(
        'PeerAuthentication',
        '{selector: {matchLabels: {a: b}}, portLevelMtls: {80: {mode: DISABLE}}}',
      ),
    ],
    [
      'LAT0703 DestinationRule a/x spec.trafficPolicy.tls.mode',
      rule('trafficPolicy: {tls: {mode: DISABLE}}'),
    ],
    [
      'LAT0703 DestinationRule a/x spec.subsets[0].trafficPolicy.tls.mode',
      rule('subsets: [{name: s, labels: {a: b}, trafficPolicy: {tls: {mode: DISABLE}}}]'),
    ],
    [
      'LAT0704 DestinationRule a/x spec.trafficPolicy.tls.insecureSkipVerify',
      rule('trafficPolicy: {tls: {mode: SIMPLE, insecureSkipVerify: true}}'),
    ],
    [
      'LAT0705 DestinationRule a/x spec.trafficPolicy.tls',
      rule('trafficPolicy: {tls: {mode: SIMPLE}}'),
    ],
    [
      'LAT0705 DestinationRule a/x spec.trafficPolicy.portLevelSettings[0].tls',
      rule('trafficPolicy: {portLevelSettings: [{port: {number: 1}, tls: {mode: SIMPLE}}]}'),
    ],
    [
      'LAT0706 Gateway a/x spec.servers[0].tls.minProtocolVersion',
      server(`${tls} {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_0}}`),
    ],
    [
      'LAT0710 Gateway a/x spec.servers[0].tls.mode',
      server(`${tls} {mode: OPTIONAL_MUTUAL, credentialName: c}}`),
    ],
    [
      'LAT0707 Gateway a/x spec.servers[0]',
      server('{port: {number: 80, name: h, protocol: HTTP}, hosts: [a.test]}'),
    ],
    [
      'LAT0722 Gateway a/x spec.servers[0].hosts',
      server('{port: {number: 80, name: h, protocol: HTTP}, hosts: ["*"]}'),
    ],
    ['LAT0720 AuthorizationPolicy a/x spec.rules[0]', allow('{}')],
    [
      'LAT0721 AuthorizationPolicy a/x spec.rules[0].from[0].source.principals',
      allow('{from: [{source: {principals: ["*"]}}]}'),
    ],
    ['LAT0723 RequestAuthentication a/x ', jwt],
    ['LAT0724 mesh ', allow('{from: [{source: {namespaces: [b]}}]}')],
    [
      'LAT0725 ConfigMap istio-system/istio data.mesh',
      mesh(
        'extensionProviders:\n- name: e\n  envoyExtAuthzHttp: {service: e.test, port: 80, failOpen: true}',
      ),
    ],
    [
      'LAT0726 RequestAuthentication a/x spec.jwtRules[0].jwksUri',
      security('RequestAuthentication', '{jwtRules: [{issuer: i, jwksUri: "http://i.test/k"}]}'),
    ],
    [
      'LAT0726 RequestAuthentication a/x spec.jwtRules[0].jwksUri',
      security(
        'RequestAuthentication',
        '{jwtRules: [{issuer: i, jwksUri: "https://169.254.169.254/k"}]}',
      ),
    ],
    [
      'LAT0727 VirtualService a/x spec.http[0].corsPolicy',
      networking(
        'VirtualService',
        '{hosts: [h], http: [{route: [{destination: {host: h}}], corsPolicy: {allowOrigins: [{regex: ".*"}], allowCredentials: true}}]}',
      ),
    ],
    [
      'LAT0728 ConfigMap istio-system/istio data.mesh',
      mesh('pathNormalization: {normalization: NONE}'),
    ],
    ['LAT0731 mesh ', allow('{from: [{source: {namespaces: [b]}}]}')],
    [
      'LAT0730 ReferenceGrant a/x spec.to[0]',
      'apiVersion: gateway.networking.k8s.io/v1beta1\nkind: ReferenceGrant\nmetadata: {name: x, namespace: a}\nspec: {from: [{group: gateway.networking.k8s.io, kind: Gateway, namespace: b}], to: [{group: "", kind: Secret}]}\n',
    ],
    ['LAT0732 Policy a/x spec.oidc.tokenEndpoint.plaintext', oidc(', plaintext: true')],
    [
      'LAT0733 Policy a/x spec.apiKeys.keys',
      front(`apiKeys: {keys: [{name: ci, hashes: ["${hash}"]}]}`),
    ],
    [
      'LAT0733 Policy a/x spec.apiKeys.secretName',
      `${front('apiKeys: {secretName: s}')}---\napiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\nstringData: {ci: "${hash} expires=2027-01-31T00:00:00Z\\n${hash}"}\n`,
    ],
  ])('finds %s', (expected, text) => {
    expect(found(text)).toContain(expected);
  });

  it('says nothing of a mesh that is closed', () => {
    const closed = [
      security('PeerAuthentication', '{mtls: {mode: STRICT}}', 'name: d, namespace: istio-system'),
      security('AuthorizationPolicy', '{}', 'name: d, namespace: istio-system'),
      mesh('outboundTrafficPolicy: {mode: REGISTRY_ONLY}'),
      jwt,
      allow('{from: [{source: {requestPrincipals: ["i/*"]}}], to: [{operation: {paths: [/a]}}]}'),
      rule(
        'trafficPolicy: {tls: {mode: SIMPLE, caCertificates: system, subjectAltNames: [h.test]}}',
      ),
      server(`${tls} {mode: SIMPLE, credentialName: c, minProtocolVersion: TLSV1_2}}`),
      front(`apiKeys: {keys: [{name: ci, hashes: ["${hash} expires=2027-01-31T00:00:00Z"]}]}`),
      oidc('').replace('name: x', 'name: z'),
    ];
    expect(found(closed.join('---\n'))).toEqual([]);
  });

  it('takes a policy of other workloads for none that asks for users', () => {
    const elsewhere = security(
      'AuthorizationPolicy',
      '{selector: {matchLabels: {app: other}}, rules: [{from: [{source: {requestPrincipals: ["*"]}}]}]}',
    );
    expect(found(`${jwt}---\n${elsewhere}`)).toContain('LAT0723 RequestAuthentication a/x ');
  });

  it('reads certificates, and finds weak keys and those that end', async () => {
    const make = async (bits: number, hash: string, notAfter: string): Promise<string> => {
      const algorithm = { name: 'RSASSA-PKCS1-v1_5', hash, modulusLength: bits };
      const keys = await crypto.subtle.generateKey(
        { ...algorithm, publicExponent: new Uint8Array([1, 0, 1]) },
        true,
        ['sign', 'verify'],
      );
      const certificate = await x509.X509CertificateGenerator.createSelfSigned({
        name: 'CN=shop.test',
        notBefore: new Date(nowMs - 1000),
        notAfter: new Date(notAfter),
        signingAlgorithm: algorithm,
        keys,
      });
      const pem = certificate.toString('pem').replaceAll('\n', '\n    ');
      return `apiVersion: v1\nkind: Secret\nmetadata: {name: s, namespace: a}\nstringData:\n  tls.key: hidden\n  tls.crt: |\n    ${pem}\n`;
    };
    const messages = async (...given: [number, string, string]): Promise<string[]> => {
      const text = await make(...given);
      const { resources } = readConfig([{ file: 'x', text }], { kinds });
      return harden(resources, { kinds, nowMs })
        .filter(({ resource }) => resource === 'Secret a/s')
        .map(({ code, level, message }) => `${code} ${level} ${message.split(':')[0] ?? ''}`);
    };
    expect(await messages(2048, 'SHA-256', '2027-01-01')).toEqual([]);
    expect(await messages(1024, 'SHA-1', '2027-01-01')).toEqual([
      'LAT0708 error the certificate of shop.test has an RSA key of 1024 bits',
      'LAT0708 error the certificate of shop.test is signed over MD5 or SHA-1',
    ]);
    expect((await messages(2048, 'SHA-256', '2026-01-10'))[0]).toContain('LAT0709 warning');
    expect((await messages(2048, 'SHA-256', '2026-01-01'))[0]).toContain('LAT0709 error');
  });

  it('finds tokens that outlive their use', () => {
    const day = 24 * 3600 * 1000;
    const token = { id: '1', name: 't', role: 'viewer', createdMs: nowMs };
    const codes = (more: object): string[] =>
      hardenTokens([{ ...token, expiresMs: nowMs + day, ...more }], nowMs).map(
        ({ code, level }) => `${code} ${level}`,
      );
    expect(codes({})).toEqual([]);
    expect(codes({ expiresMs: nowMs + 91 * day })).toEqual(['LAT0741 warning']);
    expect(codes({ role: 'editor' })).toEqual(['LAT0742 info']);
    expect(codes({ role: 'editor', namespaces: ['a'] })).toEqual([]);
    expect(codes({ createdMs: nowMs - 8 * day })).toEqual(['LAT0743 warning']);
    expect(codes({ createdMs: nowMs - 99 * day, lastUsedMs: nowMs - 91 * day })).toEqual([
      'LAT0743 warning',
    ]);
    expect(codes({ expiresMs: nowMs - 1 })).toEqual([]);
    const { expiresMs: _none, ...endless } = { ...token, role: 'proxy', expiresMs: 0 };
    expect(hardenTokens([endless], nowMs)[0]).toMatchObject({ code: 'LAT0741', level: 'info' });
    const admins = Array.from({ length: 4 }, (_, index) => ({
      ...token,
      id: String(index),
      role: 'admin',
      expiresMs: nowMs + day,
    }));
    expect(hardenTokens(admins, nowMs).map(({ code }) => code)).toEqual(['LAT0744']);
  });

  it('is documented code by code', () => {
    const page = readFileSync('docs/harden.md', 'utf8');
    for (const [code, { remedy }] of Object.entries(hardenCodes)) {
      expect(page).toContain(`| ${code} |`);
      expect(page).toContain(remedy);
    }
  });
});
