import { z } from 'zod';
import type { Resource, WorkloadEntrySpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import {
  checkDryRun,
  checkLabels,
  checkPort,
  isHostOrWildcard,
  isBinding,
  isIpAddress,
} from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { integer, labels, text } from '../fields.ts';

export const workloadEntrySchema: z.ZodObject = z.strictObject({
  address: text.optional(),
  ports: z.record(z.string(), integer).optional(),
  labels: labels.optional(),
  network: text.optional(),
  locality: text.optional(),
  weight: integer.optional(),
  serviceAccount: text.optional(),
});

export interface EntryContext {
  readonly path: string;
  readonly faults: Faults;
  /** Host names may stand as addresses. */
  readonly allowsNames: boolean;
}

export function checkWorkloadEntry(entry: WorkloadEntrySpec, context: EntryContext): void {
  const { path, faults, allowsNames } = context;
  const { address = '' } = entry;
  if (address === '') {
    if (entry.network === undefined || entry.network === '')
      faults.error(
        `${path}.address`,
        'address is empty, want an IP address, a host name or unix:///path',
      );
  } else if (address.startsWith('unix://')) {
    if (!address.startsWith('unix:///') && !address.startsWith('unix://@'))
      faults.error(`${path}.address`, 'the path of a unix address must be absolute');
    if (Object.keys(entry.ports ?? {}).length > 0)
      faults.error(`${path}.ports`, 'a unix address has no ports');
  } else if (
    !isIpAddress(address) &&
    !isBinding(address) &&
    !(allowsNames && isHostOrWildcard(address) && !address.startsWith('*'))
  )
    faults.error(
      `${path}.address`,
      `address ${JSON.stringify(address)} is no IP address${allowsNames ? ' or host name' : ''}`,
    );
  for (const value of Object.values(entry.ports ?? {})) checkPort(value, `${path}.ports`, faults);
  if ((entry.weight ?? 0) < 0) faults.error(`${path}.weight`, `weight ${entry.weight} is negative`);
  checkLabels(entry.labels, `${path}.labels`, faults);
}

export const workloadEntry: ResourceKind = defineKind<WorkloadEntrySpec>({
  group: 'networking.istio.io',
  kind: 'WorkloadEntry',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'workloadentries',
  spec: workloadEntrySchema,
  validate(entry, resource: Resource) {
    const faults = new Faults();
    checkDryRun(resource.metadata.annotations, faults, false);
    checkWorkloadEntry(entry, { path: 'spec', faults, allowsNames: true });
    return faults.list;
  },
});
