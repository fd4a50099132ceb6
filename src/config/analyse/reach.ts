/** IST0130, IST0131, IST0140, IST0149: rules that never act, or not as they look. */
import { canonicalJson } from '../../lib/canonical-json.ts';
import type {
  HttpMatch,
  HttpRoute,
  RequestAuthenticationSpec,
  Resource,
  VirtualServiceSpec,
} from '../../model/api.ts';
import { resolveHost, selects } from '../compile/names.ts';
import { gatewayName } from '../compile/virtual-services.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';

interface Seen {
  readonly rule: number;
  /** Without its name and uri. */
  readonly rest: string;
  readonly uri: HttpMatch['uri'];
}

/** Does a match that stood before take everything that this one would? */
function isCovered(before: Seen, match: Seen): boolean {
  if (before.rest !== match.rest) return false;
  if (canonicalJson(before.uri ?? {}) === canonicalJson(match.uri ?? {})) return true;
  const wide = before.uri?.prefix;
  const narrow = match.uri?.prefix ?? match.uri?.exact;
  return wide !== undefined && narrow?.startsWith(wide) === true;
}

function seenOf(rule: number, { name: _name, uri, ...rest }: HttpMatch): Seen {
  return { rule, rest: canonicalJson(rest), uri };
}

const unreachable = (path: string, message: string): Finding => ({
  code: 'IST0130',
  level: 'warning',
  path,
  message,
  remedy: 'remove the rule, or move it before the one that takes its requests',
});

/** The first match wins, so what an earlier rule takes no later one gets. */
function analyseRules(rules: readonly HttpRoute[]): Finding[] {
  const seen: Seen[] = [];
  let openAt: number | undefined;
  return rules.flatMap((route, rule): Finding[] => {
    const path = `spec.http[${rule}]`;
    if (openAt !== undefined)
      return [unreachable(path, `never reached: rule ${openAt} before it takes every request`)];
    const matches = (route.match ?? []).map((match) => seenOf(rule, match));
    if (matches.length === 0) openAt = rule;
    const found = matches.map((match) => seen.find((before) => isCovered(before, match)));
    const findings = found.flatMap((before, index): Finding[] =>
      before === undefined
        ? []
        : [
            {
              code: 'IST0131',
              level: 'info',
              path: `${path}.match[${index}]`,
              message: `without effect: rule ${before.rule} before it takes these requests`,
              remedy: 'remove the match, or move the rule before the other',
            },
          ],
    );
    const isSame = (before: Seen | undefined, index: number): boolean =>
      before !== undefined &&
      canonicalJson(before.uri ?? {}) === canonicalJson(matches[index]?.uri ?? {});
    const isDead = found.length > 0 && found.every((before, index) => isSame(before, index));
    seen.push(...matches);
    return isDead
      ? [
          unreachable(path, 'never reached: each of its matches stands in a rule before it'),
          ...findings,
        ]
      : findings;
  });
}

const gatewaysOf = ({ spec, metadata }: Resource<VirtualServiceSpec>): readonly string[] =>
  (spec.gateways ?? ['mesh']).map((name) => gatewayName(name, metadata.namespace));

/** A split written for mesh clients; ingress goes by the rules of its own gateway. */
function analyseIngress(resource: Resource<VirtualServiceSpec>, mesh: MeshView): Finding[] {
  if (gatewaysOf(resource).includes('mesh')) return [];
  const split = new Set(
    mesh.virtualServices
      .filter((other) => gatewaysOf(other).includes('mesh'))
      .flatMap(({ spec, metadata }) =>
        (spec.http ?? []).flatMap(({ route = [] }) =>
          route
            .filter(({ destination }) => destination.subset !== undefined)
            .map(({ destination }) =>
              resolveHost(destination.host, metadata.namespace, mesh.domain),
            ),
        ),
      ),
  );
  return (resource.spec.http ?? []).flatMap((route, rule) =>
    (route.route ?? []).flatMap(({ destination }, index): Finding[] => {
      const host = resolveHost(destination.host, resource.metadata.namespace, mesh.domain);
      if (destination.subset !== undefined || !split.has(host)) return [];
      return [
        {
          code: 'IST0140',
          level: 'warning',
          path: `spec.http[${rule}].route[${index}].destination`,
          message: `rules of the mesh split ${host} by subset, and this gateway's requests don't pass them`,
          remedy: 'name the subsets here too, or add this gateway to the other rule',
        },
      ];
    }),
  );
}

const CLAIM = /^@request\.auth\.claims/;

/** A claim is there only after a token was verified. */
function analyseClaims(resource: Resource<VirtualServiceSpec>, mesh: MeshView): Finding[] {
  const gateways = gatewaysOf(resource).map((name) => mesh.gateways.get(name));
  const isVerified = gateways.some(
    (gateway) =>
      gateway !== undefined &&
      mesh
        .of<RequestAuthenticationSpec>('RequestAuthentication', 'security.istio.io')
        .some(
          ({ spec }) =>
            (spec.targetRefs ?? []).length > 0 ||
            spec.targetRef !== undefined ||
            selects(spec.selector?.matchLabels, gateway.spec.selector ?? {}),
        ),
  );
  if (isVerified) return [];
  return (resource.spec.http ?? []).flatMap((route, rule) =>
    (route.match ?? []).flatMap((match, index): Finding[] => {
      const names = [
        ...Object.keys(match.headers ?? {}),
        ...Object.keys(match.withoutHeaders ?? {}),
      ];
      return names.some((name) => CLAIM.test(name))
        ? [
            {
              code: 'IST0149',
              level: 'error',
              path: `spec.http[${rule}].match[${index}].headers`,
              message: 'routes by a claim, but no RequestAuthentication verifies tokens there',
              remedy: 'apply a RequestAuthentication that selects the gateway',
            },
          ]
        : [];
    }),
  );
}

export const analyseReach: Analyser = (resource, mesh) => {
  const service = resource as Resource<VirtualServiceSpec>;
  return [
    ...analyseRules(service.spec.http ?? []),
    ...analyseIngress(service, mesh),
    ...analyseClaims(service, mesh),
  ];
};
