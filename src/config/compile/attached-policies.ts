/** Which parts of lateen.io Policies hold where: of each key the most specific attachment, then the oldest. */
import type { PolicySpec, Resource } from '../../model/api.ts';
import type { PolicyCompiler } from '../../model/policy.ts';
import { PHASES } from '../../model/policy.ts';
import type { FilterConfig } from '../../model/snapshot.ts';
import type { CompileContext } from './context.ts';
import { selects } from './names.ts';

type Policy = Resource<PolicySpec>;

/** What a targetRef names. */
export interface PolicyTarget {
  readonly group: string;
  readonly kind: string;
  readonly namespace: string;
  readonly name: string;
  /** A server of a Gateway, a rule of a route, a port of a Service. */
  readonly section?: string;
}

export function targetOf({ group, kind, metadata }: Resource, section?: string): PolicyTarget {
  const { namespace, name } = metadata;
  return { group, kind, namespace, name, ...(section === undefined ? {} : { section }) };
}

const targetKey = ({ group, kind, namespace, name }: PolicyTarget): string =>
  `${group === 'core' ? '' : group}/${kind}/${namespace}/${name}`;

/** From the mesh to the workload; what names a target comes above these. */
const WORKLOAD_RANKS = { mesh: 0, meshSelector: 1, namespace: 2, namespaceSelector: 3 } as const;
const FIRST_TARGET_RANK = 4;

export interface Ranked {
  readonly policy: Policy;
  readonly rank: number;
}

interface Targeting {
  readonly policy: Policy;
  readonly section?: string;
}

/** By the target that they name, oldest first; the section where they name one. */
type ByTarget = ReadonlyMap<string, readonly Targeting[]>;

function workloadRank({ spec, metadata }: Policy, context: CompileContext): number | undefined {
  const { scope, mesh } = context;
  const labels = spec.selector?.matchLabels ?? {};
  const isNarrow = Object.keys(labels).length > 0;
  if (!selects(labels, scope.labels)) return undefined;
  if (metadata.namespace === mesh.rootNamespace)
    return isNarrow ? WORKLOAD_RANKS.meshSelector : WORKLOAD_RANKS.mesh;
  if (metadata.namespace !== scope.namespace) return undefined;
  return isNarrow ? WORKLOAD_RANKS.namespaceSelector : WORKLOAD_RANKS.namespace;
}

/** Those that hold for the proxy by namespace and selector, oldest first. */
function ofWorkload(context: CompileContext): Ranked[] {
  return context.resources<PolicySpec>('Policy').flatMap((policy) => {
    if ((policy.spec.targetRefs ?? []).length > 0) return [];
    const rank = workloadRank(policy, context);
    return rank === undefined ? [] : [{ policy, rank }];
  });
}

function indexTargets(policies: readonly Policy[]): ByTarget {
  const byTarget = new Map<string, Targeting[]>();
  for (const policy of policies)
    for (const { sectionName, ...ref } of policy.spec.targetRefs ?? []) {
      const key = targetKey({ ...ref, namespace: policy.metadata.namespace });
      const list = byTarget.get(key) ?? [];
      list.push({ policy, ...(sectionName === undefined ? {} : { section: sectionName }) });
      byTarget.set(key, list);
    }
  return byTarget;
}

/** The same for all proxies. */
function targetsOf(context: CompileContext): ByTarget {
  const policies = context.resources<PolicySpec>('Policy');
  return context.memo.keep({ owner: policies, slot: 'targets', inputs: [] }, () =>
    indexTargets(policies),
  );
}

function partCompilers({ compilers, memo }: CompileContext): readonly PolicyCompiler[] {
  return memo.keep({ owner: compilers, slot: 'parts', inputs: [] }, () =>
    compilers
      .filter((compiler) => compiler.compilePart !== undefined)
      .sort((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase)),
  );
}

/** Each target is more specific than those before it, a section more than its target. */
function rankedByTarget(byTarget: ByTarget, targets: readonly PolicyTarget[]): Ranked[] {
  return targets.flatMap((target, place) =>
    (byTarget.get(targetKey(target)) ?? [])
      .filter(({ section }) => section === undefined || section === target.section)
      .map(({ policy, section }) => ({
        policy,
        rank: FIRST_TARGET_RANK + 2 * place + (section === undefined ? 0 : 1),
      })),
  );
}

interface Part {
  readonly plain: FilterConfig;
  readonly yielding: FilterConfig;
}

/** Ten thousand routes share one. */
function compiledPart(
  context: CompileContext,
  compiler: PolicyCompiler,
  policy: Policy,
): Part | undefined {
  const { metadata, spec } = policy;
  const { kind } = compiler;
  // Named for what it gave the proxy, even where another part of it decides.
  context.origins.of(policy, `spec.${kind}`);
  for (const host of compiler.partServices?.(spec[kind]) ?? []) context.called.add(host);
  const { mesh } = context;
  const slot = `part ${kind} ${mesh.settings.outboundPolicy}`;
  return context.memo.keep({ owner: policy, slot, inputs: [mesh] }, () => {
    const input = { policy: `${metadata.namespace}/${metadata.name}`, mesh: mesh.settings };
    const plain = compiler.compilePart?.(spec[kind], input);
    return plain === undefined
      ? undefined
      : { plain, yielding: { ...plain, yields: true as const } };
  });
}

function winners(context: CompileContext, candidates: readonly Ranked[]): Part[] {
  return partCompilers(context).flatMap((compiler) => {
    let best: Ranked | undefined;
    for (const candidate of candidates) {
      if (candidate.policy.spec[compiler.kind] === undefined) continue;
      if (best === undefined || candidate.rank > best.rank) best = candidate;
    }
    if (best === undefined) return [];
    return compiledPart(context, compiler, best.policy) ?? [];
  });
}

/**
 * Filters of a listener: Policies of the mesh, its namespace and its workload, and those that name `targets` (a
 * Gateway with the server's name, a Service with the port's). A route that has one of the same key goes before.
 */
export function listenerPolicies(
  context: CompileContext,
  targets: readonly PolicyTarget[],
): FilterConfig[] {
  return winners(context, candidatesFor(context, targets)).map(({ yielding }) => yielding);
}

/** Policies that hold for the proxy, and those that name one of `targets`; of each key the highest rank counts. */
export function candidatesFor(
  context: CompileContext,
  targets: readonly PolicyTarget[],
): readonly Ranked[] {
  return [...ofWorkload(context), ...rankedByTarget(targetsOf(context), targets)];
}

/**
 * Filters of a listener that serves several targets: theirs too where all have the same. Else `isShared`, and what names
 * one of them is of its routes.
 */
export function sharedPolicies(
  context: CompileContext,
  targets: readonly PolicyTarget[],
): { readonly filters: readonly FilterConfig[]; readonly isShared: boolean } {
  const [first = [], ...others] = targets.map((target) => listenerPolicies(context, [target]));
  const isShared = others.some((other) => !isSameList(first, other));
  return { filters: isShared ? listenerPolicies(context, []) : first, isShared };
}

/** The same parts of the same Policies. */
function isSameList(a: readonly FilterConfig[], b: readonly FilterConfig[]): boolean {
  return a.length === b.length && a.every((config, index) => config === b[index]);
}

/** Filters of a route that Policies name, by each of `targets`, the most specific last. */
export function targetPolicies(
  context: CompileContext,
  targets: readonly PolicyTarget[],
): FilterConfig[] {
  const byTarget = targetsOf(context);
  if (byTarget.size === 0) return [];
  return winners(context, rankedByTarget(byTarget, targets)).map(({ plain }) => plain);
}
