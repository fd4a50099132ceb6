/** Who is let in. */
import type {
  AuthorizationPolicySpec,
  AuthorizationRule,
  AuthorizationSource,
  HttpRoute,
  JwtRule,
  ReferenceGrantSpec,
  RequestAuthenticationSpec,
  Resource,
  VirtualServiceSpec,
} from '../../model/api.ts';
import { linkCidrs, parseCidr } from '../../lib/cidr.ts';
import type { Weakness } from './codes.ts';

/** Sources that name peers: `*` in all that are given is everybody who has any. */
const IDENTITIES = ['principals', 'namespaces', 'serviceAccounts'] as const;

const isWild = (values: readonly string[] | undefined): boolean =>
  values !== undefined && values.some((value) => value === '*' || value === '*/*');

function isEmptyRule({ from = [], to = [], when = [] }: AuthorizationRule): boolean {
  return from.length === 0 && to.length === 0 && when.length === 0;
}

function wildSource(source: AuthorizationSource | undefined, path: string): Weakness[] {
  if (source === undefined) return [];
  // Another condition beside it narrows what it says.
  const others = Object.keys(source).filter((key) => !IDENTITIES.some((name) => name === key));
  if (others.length > 0) return [];
  return IDENTITIES.filter((name) => isWild(source[name])).map((name) => ({
    code: 'LAT0721',
    message: `${name} "*" takes every identity`,
    path: `${path}.${name}`,
  }));
}

export function authorizationPolicy({ spec }: Resource<AuthorizationPolicySpec>): Weakness[] {
  const { action = 'ALLOW', rules = [] } = spec;
  if (action !== 'ALLOW') return [];
  return rules.flatMap((rule, index): Weakness[] => {
    const path = `spec.rules[${index}]`;
    if (isEmptyRule(rule))
      return [{ code: 'LAT0720', message: 'an ALLOW rule without conditions', path }];
    const { to = [], when = [] } = rule;
    if (to.length > 0 || when.length > 0) return [];
    return (rule.from ?? []).flatMap(({ source }, at) =>
      wildSource(source, `${path}.from[${at}].source`),
    );
  });
}

type Labels = Readonly<Record<string, string>>;

const labelsOf = (spec: { readonly selector?: { readonly matchLabels?: Labels } }): Labels =>
  spec.selector?.matchLabels ?? {};

const covers = (wide: Labels, narrow: Labels): boolean =>
  Object.entries(wide).every(([name, value]) => narrow[name] === value);

/** Does a rule ask who the user is? */
function asksForUser(rule: AuthorizationRule): boolean {
  const { from = [], when = [] } = rule;
  return (
    when.some(({ key }) => key.startsWith('request.auth.')) ||
    from.some(({ source = {} }) => {
      const { requestPrincipals = [], notRequestPrincipals = [] } = source;
      return requestPrincipals.length > 0 || notRequestPrincipals.length > 0;
    })
  );
}

interface Mesh {
  readonly policies: readonly Resource<AuthorizationPolicySpec>[];
  readonly rootNamespace: string;
}

const names = (refs: readonly { readonly kind: string; readonly name: string }[]): string[] =>
  refs.map(({ kind, name }) => `${kind}/${name}`);

function holdsFor(
  policy: Resource<AuthorizationPolicySpec>,
  authentication: Resource<RequestAuthenticationSpec>,
  root: string,
): boolean {
  const { namespace } = policy.metadata;
  if (namespace !== authentication.metadata.namespace && namespace !== root) return false;
  const own = [...(policy.spec.targetRefs ?? []), policy.spec.targetRef ?? []].flat();
  const its = [
    ...(authentication.spec.targetRefs ?? []),
    authentication.spec.targetRef ?? [],
  ].flat();
  if (own.length > 0) return names(its).every((name) => names(own).includes(name));
  return covers(labelsOf(policy.spec), labelsOf(authentication.spec));
}

const isPrivateAddress = linkCidrs([
  '10.0.0.0/8',
  '127.0.0.0/8',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.168.0.0/16',
  '::1',
  'fc00::/7',
  'fe80::/10',
]);

function ofJwksUri({ jwksUri }: JwtRule, path: string): Weakness[] {
  if (jwksUri === undefined || !URL.canParse(jwksUri)) return [];
  const { protocol, hostname } = new URL(jwksUri);
  if (protocol === 'http:')
    return [{ code: 'LAT0726', message: `${jwksUri} is fetched without TLS`, path }];
  const host = hostname.replace(/^\[|\]$/g, '');
  const isPrivate =
    host === 'localhost' || (parseCidr(host) !== undefined && isPrivateAddress(host) !== false);
  return isPrivate
    ? [{ code: 'LAT0726', level: 'warning', message: `${jwksUri} is on a private address`, path }]
    : [];
}

const MIN_RSA_BITS = 2048;

interface Jwk {
  readonly kty?: string;
  readonly n?: string;
  readonly kid?: string;
}

function ofInlineKeys({ jwks }: JwtRule, path: string): Weakness[] {
  let keys: unknown;
  try {
    ({ keys } = JSON.parse(jwks ?? '{}') as { keys?: unknown });
  } catch {
    return [];
  }
  return (Array.isArray(keys) ? (keys as readonly Jwk[]) : []).flatMap(
    ({ kty, n = '', kid = '' }): Weakness[] => {
      const bits = Math.floor((n.length * 6) / 8) * 8;
      return kty === 'RSA' && bits < MIN_RSA_BITS
        ? [{ code: 'LAT0708', message: `key ${kid} is RSA of ${bits} bits`, path }]
        : [];
    },
  );
}

export function requestAuthentication(
  resource: Resource<RequestAuthenticationSpec>,
  { policies, rootNamespace }: Mesh,
): Weakness[] {
  const rules = resource.spec.jwtRules ?? [];
  const isAsked = policies.some(
    (policy) =>
      holdsFor(policy, resource, rootNamespace) &&
      (policy.spec.rules ?? []).some((rule) => asksForUser(rule)),
  );
  return [
    ...rules.flatMap((rule, index) => [
      ...ofJwksUri(rule, `spec.jwtRules[${index}].jwksUri`),
      ...ofInlineKeys(rule, `spec.jwtRules[${index}].jwks`),
    ]),
    ...(rules.length === 0 || isAsked
      ? []
      : [
          {
            code: 'LAT0723',
            message: 'no AuthorizationPolicy asks for the users whose tokens it verifies',
          } as const,
        ]),
  ];
}

function ofCors(route: HttpRoute, path: string): Weakness[] {
  const { corsPolicy } = route;
  if (corsPolicy?.allowCredentials !== true) return [];
  const { allowOrigins = [], allowOrigin = [] } = corsPolicy;
  const isOpen =
    allowOrigin.includes('*') ||
    allowOrigins.some(
      ({ exact, prefix, regex }) =>
        exact === '*' || prefix === '' || (regex !== undefined && /^\^?\.[*+]\$?$/.test(regex)),
    );
  return isOpen
    ? [{ code: 'LAT0727', message: 'any origin may send credentials', path: `${path}.corsPolicy` }]
    : [];
}

export function virtualService({ spec }: Resource<VirtualServiceSpec>): Weakness[] {
  return (spec.http ?? []).flatMap((route, index) => ofCors(route, `spec.http[${index}]`));
}

interface CorsRule {
  readonly filters?: readonly {
    readonly cors?: {
      readonly allowOrigins?: readonly string[];
      readonly allowCredentials?: boolean;
    };
  }[];
}

export function httpRoute({
  spec,
}: Resource<{ readonly rules?: readonly CorsRule[] }>): Weakness[] {
  return (spec.rules ?? []).flatMap(({ filters = [] }, index) =>
    filters.flatMap(({ cors }, at): Weakness[] =>
      cors?.allowCredentials === true && (cors.allowOrigins ?? []).includes('*')
        ? [
            {
              code: 'LAT0727',
              message: 'any origin may send credentials',
              path: `spec.rules[${index}].filters[${at}].cors`,
            },
          ]
        : [],
    ),
  );
}

export function referenceGrant({ spec }: Resource<ReferenceGrantSpec>): Weakness[] {
  return spec.to.flatMap(({ group, kind, name }, index): Weakness[] =>
    group === '' && kind === 'Secret' && name === undefined
      ? [{ code: 'LAT0730', message: 'it grants every Secret', path: `spec.to[${index}]` }]
      : [],
  );
}
