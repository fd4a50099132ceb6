/** Tokens that nobody signed who may: by the algorithm, by the key, by the header, by the signature's form. */
import { deflateRawSync } from 'node:zlib';
import {
  OTHER_ISSUER,
  SECRET,
  SECRET_ISSUER,
  attacker,
  encode,
  forge,
  forgeHmac,
  goodClaims,
  hmac,
  otherPair,
  pairs,
  unsigned,
} from './forge.ts';
import type { Kid } from './forge.ts';
import { refused } from './token-case.ts';
import type { TokenCase } from './token-case.ts';

const NONES = ['none', 'None', 'NONE', 'nOnE', 'noNe', ' none', 'none ', '\tnone', 'none\n', ''];

const withoutAlgorithm: readonly TokenCase[] = [
  ...NONES.map((alg) => refused(`alg ${JSON.stringify(alg)}`, unsigned({ alg, kid: 'r' }))),
  refused('alg none without kid', unsigned({ alg: 'none' })),
  refused('alg none and any signature', unsigned({ alg: 'none', kid: 'r' }, {}, 'AAAA')),
  refused('no alg', unsigned({ kid: 'r' })),
  refused('alg null', unsigned({ alg: null, kid: 'r' })),
  refused('a list of algorithms', unsigned({ alg: ['none'], kid: 'r' })),
  refused('alg twice', unsigned('{"alg":"RS256","kid":"r","alg":"none"}')),
  refused(
    'alg twice, once with an escape',
    unsigned('{"alg":"RS256","kid":"r","al\\u0067":"none"}'),
  ),
];

const pem = pairs.r.publicKey.export({ format: 'pem', type: 'spki' });
const confusedKeys: readonly TokenCase[] = [
  ...['HS256', 'HS384', 'HS512', 'hs256'].map((alg) =>
    refused(`${alg} by the text of the RSA key`, forgeHmac(pem, { alg })),
  ),
  refused(
    'HS256 by the text of the EC key',
    forgeHmac(pairs.e.publicKey.export({ format: 'pem', type: 'spki' }), { kid: 'e' }),
  ),
  refused(
    'HS256 by the shared secret of another issuer',
    forgeHmac(Buffer.from(SECRET, 'base64url'), { kid: 'h' }),
  ),
  refused('an issuer of shared secrets by an RSA key', forge({ claims: { iss: SECRET_ISSUER } })),
  refused(
    'HS512 by a secret that is for HS256',
    forgeHmac(Buffer.from(SECRET, 'base64url'), { kid: 'h', alg: 'HS512' }, { iss: SECRET_ISSUER }),
  ),
  refused('RS384 by a key that is for RS256', forge({ header: { alg: 'RS384' } })),
  refused('RS512 by a key that is for RS256', forge({ header: { alg: 'RS512' } })),
  refused('PS256 by a key that is for RS256', forge({ header: { alg: 'PS256' } })),
  refused('RS256 by a key that is for PS256', forge({ kid: 'p', header: { alg: 'RS256' } })),
  refused('PS384 by a key that is for PS256', forge({ kid: 'p', header: { alg: 'PS384' } })),
  refused('ES384 by a P-256 key', forge({ kid: 'e', header: { alg: 'ES384' } })),
  refused('ES512 by a P-256 key', forge({ kid: 'e', header: { alg: 'ES512' } })),
  refused('ES256 by a P-384 key', forge({ kid: 'e3', header: { alg: 'ES256' } })),
  refused('ES256K by a P-256 key', forge({ kid: 'e', header: { alg: 'ES256K' }, alg: 'ES256' })),
  refused('RS256 by a P-256 key', forge({ kid: 'e', header: { alg: 'RS256' } })),
  refused('ES256 by an RSA key', forge({ header: { alg: 'ES256' }, alg: 'RS256' })),
  refused('EdDSA in lower case', forge({ kid: 'd', header: { alg: 'eddsa' }, alg: 'EdDSA' })),
  refused('RS256 in lower case', forge({ header: { alg: 'rs256' }, alg: 'RS256' })),
  refused('RS256 with a blank', forge({ header: { alg: 'RS256 ' }, alg: 'RS256' })),
];

const foreign = attacker.rsa;
const foreignJwk = foreign.publicKey.export({ format: 'jwk' });
const der = foreign.publicKey.export({ format: 'der', type: 'spki' }).toString('base64');
const ownKeys: readonly TokenCase[] = [
  refused('its own key in jwk', forge({ key: foreign.privateKey, header: { jwk: foreignJwk } })),
  refused(
    'its own key in jwk, and no kid',
    forge({ key: foreign.privateKey, header: { jwk: foreignJwk, kid: '' } }),
  ),
  refused(
    'its own EC key in jwk',
    forge({
      kid: 'e',
      key: attacker.ec.privateKey,
      header: { jwk: attacker.ec.publicKey.export({ format: 'jwk' }) },
    }),
  ),
  refused(
    'the place of its keys in jku',
    forge({ key: foreign.privateKey, header: { jku: 'https://evil.test/jwks' } }),
  ),
  refused(
    'the place of its certificate in x5u',
    forge({ key: foreign.privateKey, header: { x5u: 'https://evil.test/cert' } }),
  ),
  refused(
    'jku inside',
    forge({ key: foreign.privateKey, header: { jku: 'http://169.254.169.254/' } }),
  ),
  refused(
    'jku behind the issuer',
    forge({ key: foreign.privateKey, header: { jku: 'https://a.test@evil.test/jwks' } }),
  ),
  refused('its own certificate in x5c', forge({ key: foreign.privateKey, header: { x5c: [der] } })),
  refused('the key of another issuer under the same name', forge({ key: otherPair.privateKey })),
  refused('the other issuer by the key of this one', forge({ claims: { iss: OTHER_ISSUER } })),
];

const KIDS: readonly (readonly [string, string])[] = [
  ['a path', '/dev/null'],
  ['a path upwards', '../../../../../../dev/null'],
  ['SQL', "x' UNION SELECT 'secret' --"],
];
const HUGE = 'k'.repeat(10_240);
const names: readonly TokenCase[] = [
  ...KIDS.map(([name, kid]) =>
    refused(`kid is ${name}`, forgeHmac(kid.includes('SELECT') ? 'secret' : '', { kid })),
  ),
  refused('kid with NUL behind a real one', forge({ header: { kid: 'r\0evil' } })),
  refused('kid in another case', forge({ header: { kid: 'R' } })),
  refused('kid with a blank', forge({ header: { kid: ' r' } })),
  refused('kid of 10 kB', forge({ header: { kid: HUGE } })),
  refused('kid that nobody has', forge({ header: { kid: 'nobody' } })),
  refused('kid that is a number', forge({ header: { kid: 5 } })),
  refused('kid that is null', forge({ header: { kid: null } })),
  refused('kid that is a list', forge({ header: { kid: ['r'] } })),
  refused('kid that is an object', forge({ header: { kid: { r: 1 } } })),
  ...['__proto__', 'constructor', 'toString', 'hasOwnProperty'].map((kid) =>
    refused(`kid ${kid}`, forge({ header: { kid } })),
  ),
];

const integer = (bytes: Buffer): Buffer => {
  const from = Math.max(
    0,
    bytes.findIndex((byte) => byte !== 0),
  );
  const body = bytes.subarray(from);
  const padded = (body[0] ?? 0) > 127 ? Buffer.concat([Buffer.alloc(1), body]) : body;
  return Buffer.concat([Buffer.from([2, padded.length]), padded]);
};
function asDer(signature: string): string {
  const bytes = Buffer.from(signature, 'base64url');
  const body = Buffer.concat([integer(bytes.subarray(0, 32)), integer(bytes.subarray(32))]);
  return Buffer.concat([Buffer.from([0x30, body.length]), body]).toString('base64url');
}
const zeros = (length: number) => () => Buffer.alloc(length).toString('base64url');
const cut = (signature: string): string => signature.slice(0, 20);
const signatures: readonly TokenCase[] = [
  ...(['r', 'p', 'e', 'e3', 'd'] as Kid[]).map((kid) =>
    refused(`no signature where ${kid} should sign`, forge({ kid, mend: () => '' })),
  ),
  refused('ES256: r and s are 0', forge({ kid: 'e', mend: zeros(64) })),
  refused('ES384: r and s are 0', forge({ kid: 'e3', mend: zeros(96) })),
  refused('ES256: one byte of 0', forge({ kid: 'e', mend: zeros(1) })),
  refused('ES256: a signature in DER', forge({ kid: 'e', mend: asDer })),
  refused(
    'HS256: the beginning of a signature',
    forgeHmac(Buffer.from(SECRET, 'base64url'), { kid: 'h' }, { iss: SECRET_ISSUER }).replace(
      /[^.]+$/,
      cut,
    ),
  ),
  refused('a signature in padded base64', forge({ mend: (text) => `${text}==` })),
  refused('a signature in the other alphabet', otherAlphabet()),
  refused('a signature with loose bits at its end', forge({ mend: loosened })),
  refused(
    'a signature with a character of no alphabet',
    forge({ mend: (text) => `${text.slice(0, 8)}*${text.slice(8)}` }),
  ),
];

function otherAlphabet(): string {
  for (let jti = 0; ; jti++) {
    const token = forge({ claims: { jti } });
    const at = token.lastIndexOf('.');
    if (/[-_]/.test(token.slice(at)))
      return token.slice(0, at) + token.slice(at).replaceAll('-', '+').replaceAll('_', '/');
  }
}

/** The last character stands for fewer than six bits; the others are to be 0. */
function loosened(signature: string): string {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  const last = alphabet.indexOf(signature.at(-1) ?? '');
  return signature.slice(0, -1) + (alphabet[last + 1] ?? '');
}

const zipped = (text: string): string => deflateRawSync(Buffer.from(text)).toString('base64url');
const sealed = (header: object, body: string): string => `${encode(header)}..aXY.${body}.dGFn`;
const claimsText = JSON.stringify(goodClaims());
const encrypted: readonly TokenCase[] = [
  refused(
    'an encrypted token with a direct key',
    sealed({ alg: 'dir', enc: 'A256GCM' }, encode(claimsText)),
  ),
  refused(
    'an encrypted token by the RSA key',
    sealed({ alg: 'RSA-OAEP', enc: 'A256GCM', kid: 'r' }, encode(claimsText)),
  ),
  refused(
    'an encrypted token, compressed',
    sealed({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' }, zipped(claimsText)),
  ),
  refused(
    'a bomb',
    sealed({ alg: 'dir', enc: 'A256GCM', zip: 'DEF' }, zipped(`"${' '.repeat(11_000_000)}"`)),
  ),
  refused(
    'a password to be hashed 2^31 times',
    sealed({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: 2 ** 31 }, encode(claimsText)),
  ),
  refused(
    'a password to be hashed -1 times',
    sealed({ alg: 'PBES2-HS256+A128KW', enc: 'A128GCM', p2c: -1 }, encode(claimsText)),
  ),
  refused(
    'an encrypted token in three parts',
    `${encode({ alg: 'dir', enc: 'A256GCM' })}..x.${encode(claimsText)}`,
  ),
];

/** The issuer signed these, for another use. */
const insisting: readonly TokenCase[] = [
  refused('crit names what nobody knows', forge({ header: { crit: ['x-odd'], 'x-odd': 1 } })),
  refused('crit names what isn’t there', forge({ header: { crit: ['exp'] } })),
  refused('crit is empty', forge({ header: { crit: [] } })),
  refused('crit is a text', forge({ header: { crit: 'exp' } })),
  refused('crit is null', forge({ header: { crit: null } })),
  refused('b64 is false', forge({ header: { b64: false } })),
  refused('b64 is false and critical', forge({ header: { b64: false, crit: ['b64'] } })),
  refused('b64 is a text', forge({ header: { b64: 'false' } })),
  ...[
    'wit+jwt',
    'WIT+JWT',
    'application/wit+jwt',
    'wpt+jwt',
    'dpop+jwt',
    'logout+jwt',
    'secevent+jwt',
    'application/secevent+JWT',
  ].map((typ) => refused(`typ ${typ}`, forge({ header: { typ } }))),
];

/** Signed once for something, then told to be something else. */
const rewritten = ((): readonly TokenCase[] => {
  const [head = '', body = '', signature = ''] = forge().split('.');
  const admin = encode({ ...goodClaims(), role: 'admin' });
  return [
    refused(
      'an honest signature under other claims, algorithm none',
      `${encode({ alg: 'none' })}.${admin}.${signature}`,
    ),
    refused('an honest signature cut off', `${head}.${body}.`),
    refused(
      'a shared secret that is empty',
      `${encode({ alg: 'HS256', kid: '/dev/null' })}.${admin}.${hmac(`${encode({ alg: 'HS256', kid: '/dev/null' })}.${admin}`, '')}`,
    ),
  ];
})();

export const FORGED: readonly TokenCase[] = [
  ...withoutAlgorithm,
  ...confusedKeys,
  ...ownKeys,
  ...names,
  ...signatures,
  ...encrypted,
  ...insisting,
  ...rewritten,
];
