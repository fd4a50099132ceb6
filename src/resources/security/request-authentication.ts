import { z } from 'zod';
import { holdsPrivate, keyFault } from '../../lib/jwk.ts';
import { jwksUriOf } from '../../lib/key-set-name.ts';
import type { JwtRule, RequestAuthenticationSpec, Resource } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkDryRun, checkDuration, checkTargets } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { duration, flag, labelSelector, targetRef, text, texts } from '../fields.ts';

const rule = z.strictObject({
  issuer: text.optional(),
  audiences: texts.optional(),
  jwksUri: text.optional(),
  jwks_uri: text.optional(),
  jwks: text.optional(),
  fromHeaders: z
    .array(z.strictObject({ name: text.optional(), prefix: text.optional() }))
    .optional(),
  fromParams: texts.optional(),
  fromCookies: texts.optional(),
  outputPayloadToHeader: text.optional(),
  outputClaimToHeaders: z
    .array(z.strictObject({ header: text.optional(), claim: text.optional() }))
    .optional(),
  forwardOriginalToken: flag.optional(),
  timeout: duration.optional(),
  spaceDelimitedClaims: texts.optional(),
});

const spec = z.strictObject({
  selector: labelSelector.optional(),
  targetRef: targetRef.optional(),
  targetRefs: z.array(targetRef).max(16, { error: 'targetRefs takes at most 16' }).optional(),
  jwtRules: z.array(rule).optional(),
});

function checkUri(jwt: JwtRule, uri: string, at: { path: string; faults: Faults }): void {
  const { path, faults } = at;
  const { jwksUri = '', jwks_uri: other = '' } = jwt;
  if (jwksUri !== '' && other !== '' && jwksUri !== other)
    faults.error(`${path}.jwks_uri`, `jwks_uri ${other} is not jwksUri ${jwksUri}: give one`);
  const scheme = /^([a-zA-Z][-+.a-zA-Z0-9]*):\/\//.exec(uri)?.[1]?.toLowerCase();
  if (scheme !== 'http' && scheme !== 'https')
    faults.error(
      `${path}.jwksUri`,
      `jwksUri ${uri} has the wrong scheme, want http:// or https://`,
    );
}

function checkKeys(jwt: JwtRule, path: string, faults: Faults): void {
  const uri = jwksUriOf(jwt);
  const jwks = jwt.jwks ?? '';
  if ((jwt.issuer ?? '') === '' && uri === '')
    faults.error(path, 'a rule without issuer needs a jwksUri');
  if (uri !== '' && jwks !== '') faults.error(path, 'jwks and jwksUri exclude each other');
  if (uri !== '') checkUri(jwt, uri, { path, faults });
  if (jwks !== '') checkInline(jwks, `${path}.jwks`, faults);
}

function checkInline(jwks: string, path: string, faults: Faults): void {
  const keys = keysOf(jwks);
  if (keys === undefined) return faults.error(path, 'jwks is no JSON Web Key Set');
  for (const [index, key] of keys.entries()) {
    const fault = keyFault(key);
    if (fault !== undefined)
      faults.warn(path, `keys[${index}] of jwks verifies no token: ${fault}`);
  }
  if (keys.some((key) => typeof key === 'object' && key !== null && holdsPrivate({ ...key })))
    faults.warn(
      path,
      'jwks holds a private or symmetric key: who reads this resource can sign tokens',
    );
}

/** Undefined = no key set. */
function keysOf(jwks: string): readonly unknown[] | undefined {
  try {
    const value: unknown = JSON.parse(jwks);
    const isObject = typeof value === 'object' && value !== null && 'keys' in value;
    return isObject && Array.isArray(value.keys) ? value.keys : undefined;
  } catch {
    return undefined;
  }
}

const HEADER_NAME = /^[-_A-Za-z0-9]+$/;
/** Of the connection or of framing: what a token says must never decide where one request ends. */
const OF_THE_HOP =
  /^(?:host|connection|content-length|expect|keep-alive|proxy-[-a-z]+|te|trailer|transfer-encoding|upgrade)$/;

function checkOutput(header: string, at: string, faults: Faults): void {
  if (!HEADER_NAME.test(header))
    faults.error(at, `header ${header} has other characters than letters, digits, - and _`);
  else if (OF_THE_HOP.test(header.toLowerCase().replaceAll('_', '-')))
    faults.error(at, `header ${header} is the proxy's own on each hop, want another name`);
}

function checkLocations(jwt: JwtRule, path: string, faults: Faults): void {
  const lists: readonly (readonly [string, string, readonly (string | undefined)[]])[] = [
    ['audiences', 'audience', jwt.audiences ?? []],
    ['fromParams', 'parameter', jwt.fromParams ?? []],
    ['fromCookies', 'cookie', jwt.fromCookies ?? []],
  ];
  for (const [field, word, values] of lists)
    for (const [index, value] of values.entries())
      if (value === '') faults.error(`${path}.${field}[${index}]`, `${word} is empty, want a name`);
  for (const [index, header] of (jwt.fromHeaders ?? []).entries())
    if ((header.name ?? '') === '')
      faults.error(`${path}.fromHeaders[${index}].name`, 'header name is empty');
  for (const [index, output] of (jwt.outputClaimToHeaders ?? []).entries()) {
    const at = `${path}.outputClaimToHeaders[${index}]`;
    if ((output.header ?? '') === '')
      faults.error(`${at}.header`, 'header is empty, want the name of one');
    else checkOutput(output.header, `${at}.header`, faults);
    if ((output.claim ?? '') === '')
      faults.error(`${at}.claim`, 'claim is empty, want the name of one');
  }
}

export const requestAuthentication: ResourceKind = defineKind<RequestAuthenticationSpec>({
  group: 'security.istio.io',
  kind: 'RequestAuthentication',
  versions: ['v1', 'v1beta1'],
  plural: 'requestauthentications',
  spec,
  optionalSpec: true,
  validate(authentication, resource: Resource) {
    const faults = new Faults();
    checkDryRun(resource.metadata.annotations, faults, false);
    checkTargets(authentication, faults);
    for (const [index, jwt] of (authentication.jwtRules ?? []).entries()) {
      const path = `spec.jwtRules[${index}]`;
      checkKeys(jwt, path, faults);
      checkLocations(jwt, path, faults);
      if ((jwt.outputPayloadToHeader ?? '') !== '')
        checkOutput(jwt.outputPayloadToHeader ?? '', `${path}.outputPayloadToHeader`, faults);
      checkDuration(jwt.timeout, `${path}.timeout`, faults);
    }
    return faults.list;
  },
});
