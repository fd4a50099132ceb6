import { z } from 'zod';
import type { LabelSelector } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkSelector } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { integer, labelSelector, labels, text } from '../fields.ts';

interface ProxyConfigSpec {
  readonly selector?: LabelSelector;
  readonly concurrency?: number;
}

const spec = z.strictObject({
  selector: labelSelector.optional(),
  concurrency: integer.optional(),
  environmentVariables: labels.optional(),
  image: z.strictObject({ imageType: text.optional() }).optional(),
});

export const proxyConfig: ResourceKind = defineKind<ProxyConfigSpec | undefined>({
  group: 'networking.istio.io',
  kind: 'ProxyConfig',
  versions: ['v1beta1'],
  plural: 'proxyconfigs',
  spec,
  optionalSpec: true,
  unenforced: 'it sets up Envoy processes, of which there are none',
  validate(config) {
    const faults = new Faults();
    const { selector, concurrency = 0 } = config ?? {};
    checkSelector(selector, 'spec.selector.matchLabels', faults);
    if (concurrency < 0) faults.error('spec.concurrency', `concurrency ${concurrency} is negative`);
    return faults.list;
  },
});
