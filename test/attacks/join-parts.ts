/** What somebody needs who attacks joining: chains of every kind, requests of every kind, a control plane that lies. */
import { CompactEncrypt, CompactSign, importJWK } from 'jose';
import type { JWK } from 'jose';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { STATEMENT_TYPE } from '../../src/delivery/joining.ts';
import { x509 } from '../../control/identity/x509.ts';
import type { JoinServer } from '../fixtures/joining.ts';

export interface KeyPair {
  readonly publicKey: CryptoKey;
  readonly privateKey: CryptoKey;
}

const EC = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function keyPair(namedCurve = 'P-256'): Promise<KeyPair> {
  return crypto.subtle.generateKey({ name: 'ECDSA', namedCurve }, true, ['sign', 'verify']);
}

export interface Made extends KeyPair {
  readonly certificate: x509.X509Certificate;
  readonly pem: string;
}

export interface CertificateOptions {
  readonly subject: string;
  /** @default itself */
  readonly issuer?: Made;
  readonly keys?: KeyPair;
  readonly isAuthority?: boolean;
  readonly pathLength?: number;
  readonly usages?: x509.KeyUsageFlags;
  readonly uris?: readonly string[];
  readonly dns?: readonly string[];
  readonly fromMs?: number;
  readonly untilMs?: number;
  readonly purposes?: readonly string[];
  readonly more?: readonly x509.Extension[];
}

const HOUR_MS = 3_600_000;

/** Any certificate, right or wrong. */
export async function certify(options: CertificateOptions): Promise<Made> {
  const keys = options.keys ?? (await keyPair());
  const { issuer, isAuthority = false, uris = [], dns = [] } = options;
  const names = [
    ...uris.map((value) => ({ type: 'url' as const, value })),
    ...dns.map((value) => ({ type: 'dns' as const, value })),
  ];
  const certificate = await x509.X509CertificateGenerator.create({
    subject: options.subject,
    issuer: issuer?.certificate.subject ?? options.subject,
    notBefore: new Date(options.fromMs ?? Date.now() - HOUR_MS),
    notAfter: new Date(options.untilMs ?? Date.now() + HOUR_MS),
    publicKey: keys.publicKey,
    signingKey: (issuer ?? keys).privateKey,
    signingAlgorithm: EC,
    extensions: [
      new x509.BasicConstraintsExtension(isAuthority, options.pathLength, true),
      new x509.KeyUsagesExtension(
        options.usages ??
          (isAuthority ? x509.KeyUsageFlags.keyCertSign : x509.KeyUsageFlags.digitalSignature),
        true,
      ),
      ...(names.length === 0 ? [] : [new x509.SubjectAlternativeNameExtension(names)]),
      ...(options.purposes === undefined
        ? []
        : [new x509.ExtendedKeyUsageExtension([...options.purposes])]),
      ...(options.more ?? []),
    ],
  });
  return { ...keys, certificate, pem: certificate.toString('pem') };
}

export const der64 = ({ certificate }: Pick<Made, 'certificate'>): string =>
  Buffer.from(certificate.rawData).toString('base64');

/** Of the authority itself: what it would never say, but somebody with its key could. */
export async function signerOf({ authority }: JoinServer): Promise<{
  readonly key: CryptoKey;
  readonly x5c: readonly string[];
}> {
  const { signers, views } = authority.core;
  return signers.current(await views.current());
}

export async function statement(
  claims: object,
  by: { readonly key: CryptoKey; readonly x5c: readonly string[] },
  header: object = {},
): Promise<string> {
  return new CompactSign(Buffer.from(JSON.stringify(claims)))
    .setProtectedHeader({ alg: 'ES256', typ: STATEMENT_TYPE, x5c: [...by.x5c], ...header })
    .sign(by.key);
}

export async function requestFor(
  keys: KeyPair,
  extensions: x509.Extension[] = [],
): Promise<string> {
  const request = await x509.Pkcs10CertificateRequestGenerator.create({
    name: 'CN=somebody',
    keys,
    signingAlgorithm: EC,
    extensions,
  });
  return Buffer.from(request.rawData).toString('base64');
}

export async function joinKeyOf({ url }: { readonly url: string }): Promise<JWK> {
  const response = await fetch(`${url}/v1/identity/join-key`);
  const { statement: text } = (await response.json()) as { readonly statement: string };
  const claims = JSON.parse(Buffer.from(text.split('.')[1] ?? '', 'base64url').toString()) as {
    readonly key: JWK;
  };
  return claims.key;
}

export async function encrypt(key: JWK, request: unknown, header: object = {}): Promise<string> {
  const { kid = '' } = key;
  return new CompactEncrypt(Buffer.from(JSON.stringify(request)))
    .setProtectedHeader({ alg: 'ECDH-ES', enc: 'A256GCM', kid, ...header })
    .encrypt(await importJWK(key, 'ECDH-ES'));
}

export interface Answered {
  readonly status: number;
  readonly text: string;
  readonly detail: string;
}

export async function post(url: string, path: string, body: unknown): Promise<Answered> {
  const response = await fetch(url + path, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: typeof body === 'string' ? body : JSON.stringify(body),
  });
  const text = await response.text();
  const { detail = '' } = JSON.parse(text) as { readonly detail?: string };
  return { status: response.status, text, detail };
}

export interface Liar {
  readonly url: string;
  /** Bodies of what was posted to it. */
  readonly posted: readonly string[];
  close(): void;
}

/** Answers each path as it is told. */
export async function startLiar(
  answers: Readonly<Record<string, (body: string) => Promise<unknown>>>,
): Promise<Liar> {
  const posted: string[] = [];
  const server = createServer((request, response) => {
    void (async () => {
      let body = '';
      for await (const part of request) body += String(part);
      if (request.method === 'POST') posted.push(body);
      const answer = await answers[request.url ?? '']?.(body);
      response.writeHead(answer === undefined ? 404 : 200, { 'content-type': 'application/json' });
      response.end(JSON.stringify(answer ?? {}));
    })();
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    posted,
    close() {
      server.close();
      server.closeAllConnections();
    },
  };
}
