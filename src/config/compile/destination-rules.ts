/** Which DestinationRule rules a service, as a proxy sees it. */
import type { DestinationRuleSpec, Resource } from '../../model/api.ts';
import type { MeshConfig } from '../../resources/mesh-config.ts';
import type { CompileContext } from './context.ts';
import { bySpecificity, covers, isExportedTo, resolveHost, selects } from './names.ts';
import type { Service } from './services.ts';

export type Rule = Resource<DestinationRuleSpec>;

/** Rules of one namespace for one host: subsets unioned by name, first trafficPolicy wins. */
function mergeRules(rules: readonly Rule[], memo: CompileContext['memo']): Rule | undefined {
  const [first, ...others] = rules;
  if (first === undefined || others.length === 0) return first;
  return memo.keep({ owner: first, slot: 'merged', inputs: rules }, () =>
    others.reduce<Rule>((merged, next) => {
      const known = new Set((merged.spec.subsets ?? []).map((subset) => subset.name));
      const policy = merged.spec.trafficPolicy ?? next.spec.trafficPolicy;
      return {
        ...merged,
        spec: {
          ...merged.spec,
          ...(policy === undefined ? {} : { trafficPolicy: policy }),
          subsets: [
            ...(merged.spec.subsets ?? []),
            ...(next.spec.subsets ?? []).filter((subset) => !known.has(subset.name)),
          ],
        },
      };
    }, first),
  );
}

interface HostRule {
  readonly rule: Rule;
  readonly host: string;
  readonly exportTo: readonly string[];
}

/** Rules of one namespace, oldest first. */
interface RulesOfNamespace {
  readonly exact: ReadonlyMap<string, readonly HostRule[]>;
  readonly wildcards: readonly HostRule[];
}

function indexRules(
  rules: readonly Rule[],
  mesh: MeshConfig,
): ReadonlyMap<string, RulesOfNamespace> {
  const all = rules.map((rule): HostRule => ({
    rule,
    host: resolveHost(rule.spec.host, rule.metadata.namespace, mesh.settings.domain),
    exportTo:
      rule.spec.workloadSelector === undefined
        ? (rule.spec.exportTo ?? mesh.defaultDestinationRuleExportTo)
        : ['.'],
  }));
  const isWild = ({ host }: HostRule): boolean => host.startsWith('*');
  return new Map(
    [...Map.groupBy(all, ({ rule }) => rule.metadata.namespace)].map(([namespace, own]) => [
      namespace,
      {
        exact: Map.groupBy(
          own.filter((one) => !isWild(one)),
          ({ host }) => host,
        ),
        wildcards: own.filter((one) => isWild(one)),
      },
    ]),
  );
}

const NO_RULES: readonly HostRule[] = [];

/** Client namespace, then the service's, then the root; the first with any match decides. */
export function createRuleLookup(context: CompileContext): (service: Service) => Rule | undefined {
  const { mesh, scope, memo } = context;
  const rules = context.resources<DestinationRuleSpec>('DestinationRule');
  const byNamespace = memo.keep({ owner: rules, slot: 'rules', inputs: [mesh] }, () =>
    indexRules(rules, mesh),
  );
  const find = (namespace: string, service: Service, isOwn: boolean): Rule | undefined => {
    const own = byNamespace.get(namespace);
    if (own === undefined) return undefined;
    const isVisible = ({ rule, exportTo }: HostRule): boolean => {
      if (rule.spec.workloadSelector !== undefined)
        return (
          namespace === scope.namespace &&
          selects(rule.spec.workloadSelector.matchLabels, scope.labels)
        );
      return isOwn
        ? isExportedTo(exportTo, namespace, namespace) ||
            isExportedTo(exportTo, namespace, scope.namespace)
        : isExportedTo(exportTo, namespace, scope.namespace);
    };
    const matching = [
      ...(own.exact.get(service.host) ?? NO_RULES),
      ...own.wildcards.filter(({ host }) => covers(host, service.host)),
    ].filter(isVisible);
    if (matching.length === 0) return undefined;
    const selected = matching.filter(({ rule }) => rule.spec.workloadSelector !== undefined);
    const candidates = selected.length > 0 ? selected : matching;
    const best = candidates.map(({ host }) => host).sort(bySpecificity)[0];
    return mergeRules(
      candidates.filter(({ host }) => host === best).map(({ rule }) => rule),
      memo,
    );
  };
  return (service) => {
    const isRoot = scope.namespace === mesh.rootNamespace;
    const own = find(scope.namespace, service, true);
    if (
      own !== undefined &&
      (!isRoot ||
        own.spec.exportTo?.includes('.') === true ||
        service.namespace === scope.namespace)
    )
      return own;
    return (
      find(service.namespace, service, false) ?? find(mesh.rootNamespace, service, false) ?? own
    );
  };
}
