import { z } from 'zod';
import type { PeerAuthenticationSpec, Resource } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkDryRun, checkPort, checkSelector } from '../checks.ts';
import { Faults, defineKind } from '../define.ts';
import { labelSelector } from '../fields.ts';

const mtls = z.strictObject({
  mode: z.enum(['UNSET', 'DISABLE', 'PERMISSIVE', 'STRICT']).optional(),
});

const spec = z.strictObject({
  selector: labelSelector.optional(),
  mtls: mtls.optional(),
  portLevelMtls: z.record(z.string(), mtls).optional(),
});

const EDGE =
  'a gateway worker is not told how a connection was secured, so DISABLE refuses nothing there';

export const peerAuthentication: ResourceKind = defineKind<PeerAuthenticationSpec | undefined>({
  group: 'security.istio.io',
  kind: 'PeerAuthentication',
  versions: ['v1', 'v1beta1'],
  plural: 'peerauthentications',
  spec,
  optionalSpec: true,
  notEnforced: (given) => {
    const modes = [given?.mtls, ...Object.values(given?.portLevelMtls ?? {})];
    return modes.some((level) => level?.mode === 'DISABLE')
      ? [{ path: 'spec', reason: EDGE, only: 'node' as const }]
      : [];
  },
  validate(authentication, resource: Resource) {
    const faults = new Faults();
    const { selector, portLevelMtls = {} } = authentication ?? {};
    checkDryRun(resource.metadata.annotations, faults, false);
    checkSelector(selector, 'spec.selector.matchLabels', faults);
    const ports = Object.keys(portLevelMtls);
    if (ports.length > 0 && Object.keys(selector?.matchLabels ?? {}).length === 0)
      faults.error('spec.portLevelMtls', 'port levels need a selector with labels');
    for (const port of ports) checkPort(Number(port), 'spec.portLevelMtls', faults);
    return faults.list;
  },
});
