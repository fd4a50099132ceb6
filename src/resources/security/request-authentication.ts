import { z } from 'zod';
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

function checkKeys(jwt: JwtRule, path: string, faults: Faults): void {
  const hasUri = (jwt.jwksUri ?? '') !== '';
  if ((jwt.issuer ?? '') === '' && !hasUri)
    faults.error(path, 'a rule without issuer needs a jwksUri');
  if (hasUri && (jwt.jwks ?? '') !== '') faults.error(path, 'jwks and jwksUri exclude each other');
  if (hasUri) {
    const scheme = /^([a-zA-Z][-+.a-zA-Z0-9]*):\/\//.exec(jwt.jwksUri ?? '')?.[1]?.toLowerCase();
    if (scheme !== 'http' && scheme !== 'https')
      faults.error(
        `${path}.jwksUri`,
        `jwksUri ${jwt.jwksUri ?? ''} has the wrong scheme, want http:// or https://`,
      );
  }
  if ((jwt.jwks ?? '') !== '' && !isKeySet(jwt.jwks ?? ''))
    faults.error(`${path}.jwks`, 'jwks is no JSON Web Key Set');
  else if (holdsSecret(jwt.jwks ?? ''))
    faults.warn(
      `${path}.jwks`,
      'jwks holds a private or symmetric key: who reads this resource can sign tokens',
    );
}

/** RFC 7518, 6: `d` is private in every key type, `k` is a symmetric key. */
function holdsSecret(jwks: string): boolean {
  if (jwks === '') return false;
  const { keys } = JSON.parse(jwks) as { readonly keys: readonly unknown[] };
  return keys.some((key) => typeof key === 'object' && key !== null && ('d' in key || 'k' in key));
}

function isKeySet(jwks: string): boolean {
  try {
    const value: unknown = JSON.parse(jwks);
    return (
      typeof value === 'object' &&
      value !== null &&
      Array.isArray((value as { keys?: unknown }).keys)
    );
  } catch {
    return false;
  }
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
    else if (!/^[-_A-Za-z0-9]+$/.test(output.header))
      faults.error(
        `${at}.header`,
        `header ${output.header} has other characters than letters, digits, - and _`,
      );
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
      checkDuration(jwt.timeout, `${path}.timeout`, faults);
    }
    return faults.list;
  },
});
