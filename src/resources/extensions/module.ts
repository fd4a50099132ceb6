/** What WasmPlugin and TrafficExtension share: a module, where it acts and for whom. */
import { z } from 'zod';
import type { LabelSelector, TargetRef } from '../../model/api.ts';
import { checkPort, checkTargets } from '../checks.ts';
import type { Faults } from '../define.ts';
import { anyMap, integer, labelSelector, targetRef, text } from '../fields.ts';

export interface Attachment {
  readonly selector?: LabelSelector;
  readonly targetRef?: TargetRef;
  readonly targetRefs?: readonly TargetRef[];
  readonly match?: readonly { readonly ports?: readonly { readonly number?: number }[] }[];
}

export interface WasmModule {
  readonly url?: string;
  readonly sha256?: string;
  readonly pluginName?: string;
  readonly vmConfig?: {
    readonly env?: readonly {
      readonly name?: string;
      readonly value?: string;
      readonly valueFrom?: string;
    }[];
  };
}

type Shape = Readonly<Record<string, z.ZodType>>;

export const attachmentShape: Shape = {
  selector: labelSelector.optional(),
  targetRef: targetRef.optional(),
  targetRefs: z.array(targetRef).max(16, { error: 'targetRefs takes at most 16' }).optional(),
  phase: z.enum(['UNSPECIFIED_PHASE', 'UNSPECIFIED', 'AUTHN', 'AUTHZ', 'STATS']).optional(),
  priority: integer.optional(),
  match: z
    .array(
      z.strictObject({
        mode: z.enum(['UNDEFINED', 'CLIENT', 'SERVER', 'CLIENT_AND_SERVER']).optional(),
        ports: z.array(z.strictObject({ number: integer.optional() })).optional(),
      }),
    )
    .optional(),
};

export const moduleShape: Shape = {
  url: text,
  sha256: text.optional(),
  imagePullPolicy: z.enum(['UNSPECIFIED_POLICY', 'IfNotPresent', 'Always']).optional(),
  imagePullSecret: text.optional(),
  verificationKey: text.optional(),
  pluginConfig: anyMap.optional(),
  pluginName: text.optional(),
  failStrategy: z.enum(['FAIL_CLOSE', 'FAIL_OPEN', 'FAIL_RELOAD']).optional(),
  type: z.enum(['UNSPECIFIED_PLUGIN_TYPE', 'HTTP', 'NETWORK']).optional(),
  vmConfig: z
    .strictObject({
      env: z
        .array(
          z.strictObject({
            name: text.optional(),
            value: text.optional(),
            valueFrom: z.enum(['INLINE', 'HOST']).optional(),
          }),
        )
        .optional(),
    })
    .optional(),
};

const SCHEMES = ['oci', 'http', 'https', 'file'];

export function checkAttachment(attachment: Attachment, faults: Faults): void {
  checkTargets(attachment, faults);
  for (const [index, { ports = [] }] of (attachment.match ?? []).entries())
    for (const [at, { number = 0 }] of ports.entries())
      checkPort(number, `spec.match[${index}].ports[${at}].number`, faults);
}

export function checkModule(module: WasmModule, path: string, faults: Faults): void {
  const { url = '', sha256, pluginName, vmConfig } = module;
  const scheme = /^([a-zA-Z][-+.a-zA-Z0-9]*):\/\//.exec(url)?.[1];
  if (url === '') faults.error(`${path}.url`, 'url is empty');
  else if (scheme !== undefined && !SCHEMES.includes(scheme))
    faults.error(`${path}.url`, `scheme ${scheme} is not known, want ${SCHEMES.join(', ')}`);
  if (sha256 !== undefined && !/^[0-9a-f]{64}$/.test(sha256))
    faults.error(`${path}.sha256`, 'sha256 is not 64 hexadecimal digits');
  if (pluginName === '') faults.error(`${path}.pluginName`, 'pluginName is empty');
  const seen = new Set<string>();
  for (const [index, { name = '', value, valueFrom }] of (vmConfig?.env ?? []).entries()) {
    const at = `${path}.vmConfig.env[${index}]`;
    if (name === '') faults.error(`${at}.name`, 'a variable needs a name');
    if (seen.has(name)) faults.error(`${at}.name`, `name ${name} stands twice`);
    if (valueFrom === 'HOST' && (value ?? '') !== '')
      faults.error(`${at}.value`, 'a value taken from HOST has none here');
    seen.add(name);
  }
}
