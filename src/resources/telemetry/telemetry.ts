import { z } from 'zod';
import type { LabelSelector, TargetRef } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkTargets } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { duration, flag, labelSelector, targetRef, text } from '../fields.ts';
import { celFault } from './cel.ts';

interface Tag {
  readonly literal?: { readonly value?: string };
  readonly environment?: { readonly name?: string };
  readonly header?: { readonly name?: string };
  readonly formatter?: { readonly value?: string };
}

interface TelemetrySpec {
  readonly selector?: LabelSelector;
  readonly targetRef?: TargetRef;
  readonly targetRefs?: readonly TargetRef[];
  readonly tracing?: readonly {
    readonly randomSamplingPercentage?: number;
    readonly customTags?: Readonly<Record<string, Tag>>;
  }[];
  readonly metrics?: readonly {
    readonly overrides?: readonly {
      readonly tagOverrides?: Readonly<
        Record<string, { readonly operation?: string; readonly value?: string }>
      >;
    }[];
  }[];
  readonly accessLogging?: readonly { readonly filter?: { readonly expression?: string } }[];
}

const MODE = z.enum(['CLIENT_AND_SERVER', 'CLIENT', 'SERVER']).optional();
const METRICS = [
  'ALL_METRICS',
  'REQUEST_COUNT',
  'REQUEST_DURATION',
  'REQUEST_SIZE',
  'RESPONSE_SIZE',
  'TCP_OPENED_CONNECTIONS',
  'TCP_CLOSED_CONNECTIONS',
  'TCP_SENT_BYTES',
  'TCP_RECEIVED_BYTES',
  'GRPC_REQUEST_MESSAGES',
  'GRPC_RESPONSE_MESSAGES',
] as const;
const providers = z.array(z.strictObject({ name: text })).optional();
const match = z.strictObject({ mode: MODE }).optional();
const named = z.strictObject({ name: text.optional(), defaultValue: text.optional() }).optional();
const valued = z.strictObject({ value: text.optional() }).optional();
const KINDS_OF_TAG = ['literal', 'environment', 'header', 'formatter'] as const;

const spec = z.strictObject({
  selector: labelSelector.optional(),
  targetRef: targetRef.optional(),
  targetRefs: z.array(targetRef).max(16, { error: 'targetRefs takes at most 16' }).optional(),
  tracing: z
    .array(
      z.strictObject({
        match,
        providers,
        randomSamplingPercentage: z.number().optional(),
        disableSpanReporting: flag.optional(),
        useRequestIdForTraceSampling: flag.optional(),
        enableIstioTags: flag.optional(),
        disableContextPropagation: flag.optional(),
        customTags: z
          .record(
            z.string(),
            z.strictObject({
              literal: valued,
              environment: named,
              header: named,
              formatter: valued,
            }),
          )
          .optional(),
      }),
    )
    .optional(),
  metrics: z
    .array(
      z.strictObject({
        providers,
        reportingInterval: duration.optional(),
        overrides: z
          .array(
            z.strictObject({
              match: z
                .strictObject({
                  metric: z.enum(METRICS).optional(),
                  customMetric: text.optional(),
                  mode: MODE,
                })
                .optional(),
              disabled: flag.optional(),
              tagOverrides: z
                .record(
                  z.string(),
                  z.strictObject({
                    operation: z.enum(['UPSERT', 'REMOVE']).optional(),
                    value: text.optional(),
                  }),
                )
                .optional(),
            }),
          )
          .optional(),
      }),
    )
    .optional(),
  accessLogging: z
    .array(
      z.strictObject({
        match,
        providers,
        disabled: flag.optional(),
        filter: z.strictObject({ expression: text.optional() }).optional(),
      }),
    )
    .optional(),
});

function checkTag(tag: Tag, path: string, faults: Faults): void {
  const given = KINDS_OF_TAG.filter((kind) => tag[kind] !== undefined);
  const name = path.slice(path.lastIndexOf('.') + 1);
  if (given.length !== 1)
    faults.error(path, `tag ${name} has one of ${KINDS_OF_TAG.join(', ')}, not ${given.length}`);
  for (const kind of ['environment', 'header'] as const)
    if (tag[kind]?.name === '' || (tag[kind] !== undefined && tag[kind]?.name === undefined))
      faults.error(`${path}.${kind}.name`, `a tag of kind ${kind} needs a name`);
  for (const kind of ['literal', 'formatter'] as const)
    if (tag[kind] !== undefined && (tag[kind]?.value ?? '') === '')
      faults.error(`${path}.${kind}.value`, `a tag of kind ${kind} needs a value`);
}

function checkTracing(telemetry: TelemetrySpec, faults: Faults): void {
  for (const [index, tracing] of (telemetry.tracing ?? []).entries()) {
    const path = `spec.tracing[${index}]`;
    const share = tracing.randomSamplingPercentage ?? 0;
    if (share < 0 || share > 100)
      faults.error(
        `${path}.randomSamplingPercentage`,
        `randomSamplingPercentage ${share} is out of range, want 0 to 100`,
      );
    for (const [name, tag] of Object.entries(tracing.customTags ?? {}))
      checkTag(tag, `${path}.customTags.${name}`, faults);
  }
}

function checkMetrics(telemetry: TelemetrySpec, faults: Faults): void {
  for (const [index, { overrides = [] }] of (telemetry.metrics ?? []).entries())
    for (const [at, { tagOverrides = {} }] of overrides.entries())
      for (const [name, { operation = 'UPSERT', value = '' }] of Object.entries(tagOverrides)) {
        const path = `spec.metrics[${index}].overrides[${at}].tagOverrides.${name}.value`;
        if (operation === 'UPSERT' && value === '') faults.error(path, 'UPSERT needs a value');
        if (operation === 'REMOVE' && value !== '') faults.error(path, 'REMOVE takes no value');
      }
}

export const telemetry: ResourceKind = defineKind<TelemetrySpec | undefined>({
  group: 'telemetry.istio.io',
  kind: 'Telemetry',
  versions: ['v1', 'v1alpha1'],
  plural: 'telemetries',
  spec,
  optionalSpec: true,
  unenforced: 'every gateway of this version writes the same access log and no spans',
  validate(given) {
    const faults = new Faults();
    const resource = given ?? {};
    checkTargets(resource, faults);
    checkTracing(resource, faults);
    checkMetrics(resource, faults);
    for (const [index, { filter }] of (resource.accessLogging ?? []).entries()) {
      const fault = celFault(filter?.expression ?? '');
      if (fault !== undefined)
        faults.error(
          `spec.accessLogging[${index}].filter.expression`,
          `the expression is not CEL: ${fault}`,
        );
    }
    return faults.list;
  },
});
