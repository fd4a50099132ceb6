/** IST0171: conditions that say no, those in the status given and those that this mesh itself would write. */
import type { Resource } from '../../model/api.ts';
import { gatewayApiOf } from '../gateway-api/resolve.ts';
import { gatewayApiStatus } from '../gateway-api/status.ts';
import type { Analyser, Finding } from './mesh.ts';
import { perMesh } from './mesh.ts';

interface Condition {
  readonly type?: string;
  readonly status?: string;
  readonly reason?: string;
  readonly message?: string;
}

interface Status {
  readonly conditions?: readonly Condition[];
  readonly listeners?: readonly {
    readonly name?: string;
    readonly conditions?: readonly Condition[];
  }[];
  readonly parents?: readonly {
    readonly parentRef?: { readonly name?: string };
    readonly conditions?: readonly Condition[];
  }[];
  readonly ancestors?: readonly {
    readonly ancestorRef?: { readonly name?: string };
    readonly conditions?: readonly Condition[];
  }[];
}

/** Types whose False is bad news; of others it may be good. */
const POSITIVE: ReadonlySet<string> = new Set([
  'Accepted',
  'Programmed',
  'ResolvedRefs',
  'Ready',
  'Reconciled',
  'WaypointAccepted',
  'ZtunnelAccepted',
  'istio.io/WaypointBound',
]);

const listOf = <Entry>(value: readonly Entry[] | undefined): readonly Entry[] =>
  Array.isArray(value) ? value : [];

/** Every condition with what it is of. */
function placed(status: Status): { readonly of: string; readonly condition: Condition }[] {
  const under = (of: string, conditions: readonly Condition[] | undefined) =>
    listOf(conditions).map((condition) => ({ of, condition }));
  return [
    ...under('', status.conditions),
    ...listOf(status.listeners).flatMap((one) =>
      under(` of listener ${one.name ?? ''}`, one.conditions),
    ),
    ...listOf(status.parents).flatMap((one) =>
      under(` for parent ${one.parentRef?.name ?? ''}`, one.conditions),
    ),
    ...listOf(status.ancestors).flatMap((one) =>
      under(` for ${one.ancestorRef?.name ?? ''}`, one.conditions),
    ),
  ];
}

function isNegative({ type = '', status, reason }: Condition): boolean {
  if (reason === 'PartiallyInvalid' || type === 'PartiallyInvalid') return status === 'True';
  return status === 'False' && POSITIVE.has(type);
}

function finding(of: string, { type, reason, message }: Condition): Finding {
  const why = message === undefined || message === '' ? (reason ?? '') : message;
  return {
    code: 'IST0171',
    level: 'warning',
    path: 'status',
    message: `condition ${type ?? ''}${of} says ${reason ?? 'no'}: ${why}`,
    remedy: 'mend what the condition names',
  };
}

const computed = perMesh((mesh) => {
  const statuses = gatewayApiStatus(gatewayApiOf(mesh.resources, mesh.domain));
  return new Map<Resource, Status>(statuses.map(({ resource, status }) => [resource, status]));
});

export const analyseConditions: Analyser = (resource, mesh) => {
  const given = (resource.status ?? {}) as Status;
  const own = computed(mesh).get(resource) ?? {};
  const negative = [...placed(given), ...placed(own)].filter(({ condition }) =>
    isNegative(condition),
  );
  const found = new Map(
    negative.map(({ of, condition }) => [`${of} ${condition.type ?? ''}`, finding(of, condition)]),
  );
  return [...found.values()];
};
