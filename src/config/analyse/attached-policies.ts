/** IST0101, LAT0120: what a lateen.io Policy attaches to, and which of several on one target counts. */
import type { PolicySpec, PolicyTargetRef, Resource } from '../../model/api.ts';
import type { Analyser, Finding, MeshView } from './mesh.ts';
import { mayHold, perMesh, workloadsOf } from './mesh.ts';

type Policy = Resource<PolicySpec>;

const groupOf = ({ group }: PolicyTargetRef): string => (group === 'core' ? '' : group);

const partsOf = (spec: PolicySpec): string[] =>
  Object.keys(spec).filter((key) => key !== 'selector' && key !== 'targetRefs');

const targetText = ({ kind, name, sectionName }: PolicyTargetRef): string =>
  `${kind} ${name}${sectionName === undefined ? '' : ` (${sectionName})`}`;

interface Named {
  readonly name?: string;
}

/** Where the sections of each kind stand. */
interface Sectioned {
  readonly servers?: readonly Named[];
  readonly listeners?: readonly Named[];
  readonly http?: readonly Named[];
  readonly rules?: readonly Named[];
  readonly ports?: readonly Named[];
}

function hasSection({ spec }: Resource<Sectioned>, section: string): boolean {
  const { servers, listeners, http, rules, ports } = spec;
  return [servers, listeners, http, rules, ports].some(
    (list) => list?.some(({ name }) => name === section) === true,
  );
}

function unresolved(policy: Policy, mesh: MeshView): Finding[] {
  const { namespace } = policy.metadata;
  return (policy.spec.targetRefs ?? []).flatMap((ref, index): Finding[] => {
    const path = `spec.targetRefs[${index}]`;
    const target = mesh
      .of<Sectioned>(ref.kind, groupOf(ref))
      .find(({ metadata }) => metadata.name === ref.name && metadata.namespace === namespace);
    if (target === undefined)
      return [
        {
          code: 'IST0101',
          level: 'error',
          path: `${path}.name`,
          message: `${ref.kind} ${namespace}/${ref.name} does not exist: the Policy holds for nothing there`,
          remedy: 'apply it in this namespace, or correct the name',
        },
      ];
    if (ref.sectionName === undefined || hasSection(target, ref.sectionName)) return [];
    return [
      {
        code: 'IST0101',
        level: 'error',
        path: `${path}.sectionName`,
        message: `${ref.kind} ${namespace}/${ref.name} has nothing named ${ref.sectionName}: the Policy holds for nothing there`,
        remedy: 'correct the name, or leave it out to mean the whole target',
      },
    ];
  });
}

const attachment = (policy: Policy, ref: PolicyTargetRef, part: string): string =>
  JSON.stringify([
    policy.metadata.namespace,
    groupOf(ref),
    ref.kind,
    ref.name,
    ref.sectionName,
    part,
  ]);

const labelsOf = ({ spec }: Policy): Readonly<Record<string, string>> =>
  spec.selector?.matchLabels ?? {};

/** Who counts: by target, and by workload of a namespace, oldest first. */
const holders = perMesh((mesh) => {
  const byTarget = new Map<string, Policy>();
  const byNamespace = new Map<string, Policy[]>();
  for (const policy of mesh.of<PolicySpec>('Policy', 'lateen.io'))
    for (const part of partsOf(policy.spec)) {
      const refs = policy.spec.targetRefs ?? [];
      for (const ref of refs) {
        const key = attachment(policy, ref, part);
        if (!byTarget.has(key)) byTarget.set(key, policy);
      }
      if (refs.length > 0) continue;
      const key = JSON.stringify([policy.metadata.namespace, part]);
      byNamespace.set(key, [...(byNamespace.get(key) ?? []), policy]);
    }
  return { byTarget, byNamespace };
});

/** The older one that some workload of this Policy has its part from. */
function olderByWorkload(own: Policy, part: string, mesh: MeshView): Policy | undefined {
  const { namespace } = own.metadata;
  const list = holders(mesh).byNamespace.get(JSON.stringify([namespace, part])) ?? [];
  const wanted = labelsOf(own);
  const isNarrow = Object.keys(wanted).length > 0;
  const reach = namespace === mesh.config.rootNamespace ? undefined : namespace;
  return list.slice(0, list.indexOf(own)).find((other) => {
    const labels = labelsOf(other);
    // A selector goes before the namespace without one: only equals meet.
    if (Object.keys(labels).length > 0 !== isNarrow) return false;
    return (
      !isNarrow ||
      workloadsOf(mesh).some(
        (workload) => mayHold(wanted, reach, workload) && mayHold(labels, reach, workload),
      )
    );
  });
}

function losing(part: string, where: string, { metadata }: Policy): Finding {
  return {
    code: 'LAT0120',
    level: 'warning',
    path: `spec.${part}`,
    message: `${part} counts for nothing on ${where}: Policy ${metadata.namespace}/${metadata.name} is older and has it too`,
    remedy: 'join the two, or attach one of them to something more specific',
  };
}

function losers(policy: Policy, mesh: MeshView): Finding[] {
  const refs = policy.spec.targetRefs ?? [];
  return partsOf(policy.spec).flatMap((part) => {
    if (refs.length === 0) {
      const older = olderByWorkload(policy, part, mesh);
      return older === undefined ? [] : [losing(part, 'workloads that both select', older)];
    }
    return refs.flatMap((ref) => {
      const first = holders(mesh).byTarget.get(attachment(policy, ref, part));
      return first === undefined || first === policy ? [] : [losing(part, targetText(ref), first)];
    });
  });
}

export const analyseAttachedPolicy: Analyser = (resource, mesh) => {
  const policy = resource as Policy;
  return [...unresolved(policy, mesh), ...losers(policy, mesh)];
};
