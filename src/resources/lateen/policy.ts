/** lateen.io Policy: its spec is the union of what slices contribute, one key a slice. */
import { z } from 'zod';
import type { PolicySpec, PolicyTargetRef, Resource } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import type { PolicyPart } from '../../model/policy.ts';
import { checkSelector } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { labelSelector, text } from '../fields.ts';

/** A part with its schema. */
export type AnyPart = PolicyPart<z.ZodType>;

/** What a Policy attaches to, and what a sectionName of it is. */
export const policyTargets: readonly {
  readonly group: string;
  readonly kind: string;
  readonly section: string;
}[] = [
  { group: 'gateway.networking.k8s.io', kind: 'Gateway', section: 'a listener' },
  { group: 'gateway.networking.k8s.io', kind: 'HTTPRoute', section: 'a rule' },
  { group: 'gateway.networking.k8s.io', kind: 'GRPCRoute', section: 'a rule' },
  { group: 'networking.istio.io', kind: 'Gateway', section: 'a server' },
  { group: 'networking.istio.io', kind: 'VirtualService', section: 'an HTTP route' },
  { group: 'networking.istio.io', kind: 'ServiceEntry', section: 'a port' },
  { group: '', kind: 'Service', section: 'a port' },
];

const MAX_TARGETS = 16;

const targetRef = z.strictObject({
  group: text,
  kind: text,
  name: text,
  sectionName: text.optional(),
});

const nameOfTarget = ({ group, kind }: { readonly group: string; readonly kind: string }): string =>
  group === '' || group === 'core' ? `core ${kind}` : `${group} ${kind}`;

function checkRefs(refs: readonly PolicyTargetRef[], faults: Faults): void {
  const seen = new Set<string>();
  for (const [index, ref] of refs.entries()) {
    const path = `spec.targetRefs[${index}]`;
    const group = ref.group === 'core' ? '' : ref.group;
    const isKnown = policyTargets.some((known) => known.group === group && known.kind === ref.kind);
    if (!isKnown)
      faults.error(
        path,
        `a Policy attaches to no ${nameOfTarget(ref)}, want one of ${policyTargets.map((known) => nameOfTarget(known)).join(', ')}`,
      );
    if (ref.name === '') faults.error(`${path}.name`, 'name is empty, want the name of the target');
    if (ref.sectionName === '')
      faults.error(
        `${path}.sectionName`,
        'sectionName is empty, want a name',
        'leave it out to mean the whole target',
      );
    const key = JSON.stringify([group, ref.kind, ref.name, ref.sectionName]);
    if (seen.has(key)) faults.error(path, 'this target stands twice', 'remove one of them');
    seen.add(key);
  }
}

function checkAttachment(spec: PolicySpec, faults: Faults): void {
  const { selector, targetRefs } = spec;
  if (selector !== undefined && targetRefs !== undefined)
    faults.error(
      'spec',
      'selector and targetRefs exclude each other',
      'keep one of them; a second Policy takes the other',
    );
  if (targetRefs?.length === 0)
    faults.error(
      'spec.targetRefs',
      'targetRefs is empty, want at least one',
      'leave it out to mean every workload of the namespace',
    );
  checkSelector(selector, 'spec.selector.matchLabels', faults);
  checkRefs(targetRefs ?? [], faults);
}

function validator(
  parts: readonly AnyPart[],
): (spec: PolicySpec, resource: Resource) => Faults['list'] {
  return (spec, { metadata }) => {
    const faults = new Faults(metadata.namespace);
    checkAttachment(spec, faults);
    const given = parts.filter(({ key }) => spec[key] !== undefined);
    if (given.length === 0)
      faults.warn(
        'spec',
        `the Policy says nothing: want one of ${parts.map(({ key }) => key).join(', ')}`,
      );
    for (const { key, isOfWorkload } of given)
      if (isOfWorkload === true && spec.targetRefs !== undefined)
        faults.error(
          `spec.${key}`,
          `${key} holds for whole proxies, and this Policy names targets`,
          'a Policy of its own, with a selector or for its namespace',
        );
    for (const part of given)
      part.check?.(spec[part.key], (path, message, remedy) => {
        const base = `spec.${part.key}`;
        faults.error(
          path === '' || path.startsWith('[') ? base + path : `${base}.${path}`,
          message,
          remedy,
        );
      });
    return faults.list;
  };
}

/** The kind as the given slices make it. */
export function policyKind(parts: readonly AnyPart[]): ResourceKind {
  return defineKind<PolicySpec>({
    group: 'lateen.io',
    kind: 'Policy',
    versions: ['v1'],
    plural: 'policies',
    spec: z.strictObject({
      selector: labelSelector.optional(),
      targetRefs: z
        .array(targetRef)
        .max(MAX_TARGETS, { error: `targetRefs takes at most ${MAX_TARGETS}` })
        .optional(),
      ...Object.fromEntries(parts.map(({ key, schema }) => [key, schema.optional()])),
    }),
    validate: validator(parts),
  });
}
