import { z } from 'zod';
import type { WorkloadEntrySpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkLabels, checkPort } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { integer, labels, text, texts } from '../fields.ts';
import { workloadEntrySchema } from './workload-entry.ts';

interface HttpProbe {
  readonly port?: number;
  readonly httpHeaders?: readonly { readonly name?: string }[];
}

interface Probe {
  readonly httpGet?: HttpProbe;
  readonly tcpSocket?: { readonly port?: number };
  readonly exec?: { readonly command?: readonly string[] };
  readonly grpc?: { readonly port?: number };
  readonly [seconds: string]: unknown;
}

interface WorkloadGroupSpec {
  readonly metadata?: { readonly labels?: Readonly<Record<string, string>> };
  readonly template: WorkloadEntrySpec;
  readonly probe?: Probe;
}

const METHODS = ['httpGet', 'tcpSocket', 'exec', 'grpc'] as const;
const TIMES = [
  'initialDelaySeconds',
  'timeoutSeconds',
  'periodSeconds',
  'successThreshold',
  'failureThreshold',
] as const;

const probe = z.strictObject({
  ...Object.fromEntries(TIMES.map((name) => [name, integer.optional()])),
  httpGet: z
    .strictObject({
      path: text.optional(),
      port: integer.optional(),
      host: text.optional(),
      scheme: text.optional(),
      httpHeaders: z
        .array(z.strictObject({ name: text.optional(), value: text.optional() }))
        .optional(),
    })
    .optional(),
  tcpSocket: z.strictObject({ host: text.optional(), port: integer.optional() }).optional(),
  exec: z.strictObject({ command: texts.optional() }).optional(),
  grpc: z.strictObject({ port: integer.optional(), service: text.optional() }).optional(),
});

const spec = z.strictObject({
  metadata: z
    .strictObject({ labels: labels.optional(), annotations: labels.optional() })
    .optional(),
  template: workloadEntrySchema,
  probe: probe.optional(),
});

const PROBE_HEADER = /^[-A-Za-z0-9]+$/;

function requirePort(port: number | undefined, path: string, faults: Faults): void {
  if (port === undefined) faults.error(path, 'a probe needs a port');
  else checkPort(port, path, faults);
}

function checkProbe(given: Probe, faults: Faults): void {
  const methods = METHODS.filter((method) => given[method] !== undefined);
  if (methods.length !== 1)
    faults.error('spec.probe', `a probe has one of ${METHODS.join(', ')}, not ${methods.length}`);
  for (const time of TIMES)
    if (Number(given[time] ?? 0) < 0)
      faults.error(`spec.probe.${time}`, `${time} ${String(given[time])} is negative`);
  const { httpGet, tcpSocket, grpc, exec } = given;
  if (httpGet !== undefined) {
    requirePort(httpGet.port, 'spec.probe.httpGet.port', faults);
    for (const [index, { name = '' }] of (httpGet.httpHeaders ?? []).entries())
      if (!PROBE_HEADER.test(name))
        faults.error(
          `spec.probe.httpGet.httpHeaders[${index}].name`,
          `${JSON.stringify(name)} is no header name`,
        );
  }
  if (tcpSocket !== undefined) requirePort(tcpSocket.port, 'spec.probe.tcpSocket.port', faults);
  if (grpc !== undefined) requirePort(grpc.port, 'spec.probe.grpc.port', faults);
  if (exec !== undefined && (exec.command ?? []).length === 0)
    faults.error('spec.probe.exec.command', 'a command probe needs a command');
}

export const workloadGroup: ResourceKind = defineKind<WorkloadGroupSpec>({
  group: 'networking.istio.io',
  kind: 'WorkloadGroup',
  versions: ['v1', 'v1beta1', 'v1alpha3'],
  plural: 'workloadgroups',
  spec,
  unenforced: 'workloads of this version are registered one by one, by WorkloadEntry',
  validate(group) {
    const faults = new Faults();
    checkLabels(group.metadata?.labels, 'spec.metadata.labels', faults);
    checkLabels(group.template.labels, 'spec.template.labels', faults);
    if (group.probe !== undefined) checkProbe(group.probe, faults);
    return faults.list;
  },
});
