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

interface Ranked {
  readonly policy: Policy;
  readonly rank: number;
}

interface Index {
  /** Those that hold for the proxy by namespace and selector, oldest first. */
  readonly workload: readonly Ranked[];
  /** By the target that they name, oldest first; the section where they name one. */
  readonly byTarget: ReadonlyMap<string, readonly { policy: Policy; section?: string }[]>;
  readonly compilers: readonly PolicyCompiler[];
  /** What became of a part, so that ten thousand routes share one. */
  readonly compiled: Map<Policy, Map<string, { plain: FilterConfig; yielding: FilterConfig }>>;
}

const indexes = new WeakMap<CompileContext, Index>();

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

function buildIndex(context: CompileContext): Index {
  const workload: Ranked[] = [];
  const byTarget = new Map<string, { policy: Policy; section?: string }[]>();
  for (const policy of context.resources<PolicySpec>('Policy')) {
    const { targetRefs = [] } = policy.spec;
    if (targetRefs.length === 0) {
      const rank = workloadRank(policy, context);
      if (rank !== undefined) workload.push({ policy, rank });
    }
    for (const { sectionName, ...ref } of targetRefs) {
      const key = targetKey({ ...ref, namespace: policy.metadata.namespace });
      const list = byTarget.get(key) ?? [];
      list.push({ policy, ...(sectionName === undefined ? {} : { section: sectionName }) });
      byTarget.set(key, list);
    }
  }
  const compilers = context.compilers
    .filter((compiler) => compiler.compilePart !== undefined)
    .sort((a, b) => PHASES.indexOf(a.phase) - PHASES.indexOf(b.phase));
  return { workload, byTarget, compilers, compiled: new Map() };
}

function indexOf(context: CompileContext): Index {
  let index = indexes.get(context);
  if (index === undefined) {
    index = buildIndex(context);
    indexes.set(context, index);
  }
  return index;
}

/** Each target is more specific than those before it, a section more than its target. */
function rankedByTarget(index: Index, targets: readonly PolicyTarget[]): Ranked[] {
  return targets.flatMap((target, place) =>
    (index.byTarget.get(targetKey(target)) ?? [])
      .filter(({ section }) => section === undefined || section === target.section)
      .map(({ policy, section }) => ({
        policy,
        rank: FIRST_TARGET_RANK + 2 * place + (section === undefined ? 0 : 1),
      })),
  );
}

function compiledPart(
  context: CompileContext,
  compiler: PolicyCompiler,
  policy: Policy,
): { readonly plain: FilterConfig; readonly yielding: FilterConfig } | undefined {
  const { compiled } = indexOf(context);
  const { kind } = compiler;
  const { metadata, spec } = policy;
  const parts = compiled.get(policy) ?? new Map();
  compiled.set(policy, parts);
  const known = parts.get(kind);
  if (known !== undefined) return known;
  // Named for what it gave the proxy, even where another part of it decides.
  context.origins.of(policy, `spec.${kind}`);
  const input = { policy: `${metadata.namespace}/${metadata.name}`, mesh: context.mesh.settings };
  const plain = compiler.compilePart?.(spec[kind], input);
  if (plain === undefined) return undefined;
  const part = { plain, yielding: { ...plain, yields: true as const } };
  parts.set(kind, part);
  return part;
}

function winners(
  context: CompileContext,
  candidates: readonly Ranked[],
): { readonly plain: FilterConfig; readonly yielding: FilterConfig }[] {
  return indexOf(context).compilers.flatMap((compiler) => {
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
  const index = indexOf(context);
  const candidates = [...index.workload, ...rankedByTarget(index, targets)];
  return winners(context, candidates).map(({ yielding }) => yielding);
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
  const index = indexOf(context);
  if (index.byTarget.size === 0) return [];
  return winners(context, rankedByTarget(index, targets)).map(({ plain }) => plain);
}
