/** GatewayClass, ReferenceGrant and BackendTLSPolicy. */
import { z } from 'zod';
import type {
  BackendTlsPolicySpec,
  GatewayClassSpec,
  ReferenceGrantSpec,
} from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { Faults, defineKind } from '../define.ts';
import {
  groupName,
  kindName,
  listOf,
  localRef,
  namespaceName,
  objectName,
  preciseHostname,
  sectionName,
  textMap,
  word,
} from './fields.ts';

const group = 'gateway.networking.k8s.io';
const CONTROLLER =
  /^[a-z0-9](?:[-a-z0-9]*[a-z0-9])?(?:\.[a-z0-9](?:[-a-z0-9]*[a-z0-9])?)*\/[A-Za-z0-9/\-._~%!$&'()*+,;=:]+$/;

export const gatewayClass: ResourceKind = defineKind<GatewayClassSpec>({
  group,
  kind: 'GatewayClass',
  versions: ['v1', 'v1beta1'],
  plural: 'gatewayclasses',
  spec: z.strictObject({
    controllerName: word(CONTROLLER, 253, 'controller, as domain/path'),
    parametersRef: z
      .strictObject({
        group: groupName,
        kind: kindName,
        name: objectName,
        namespace: namespaceName.optional(),
      })
      .optional(),
    description: z.string().max(64).optional(),
  }),
});

export const referenceGrant: ResourceKind = defineKind<ReferenceGrantSpec>({
  group,
  kind: 'ReferenceGrant',
  versions: ['v1', 'v1beta1', 'v1alpha2'],
  plural: 'referencegrants',
  spec: z.strictObject({
    from: listOf(
      z.strictObject({ group: groupName, kind: kindName, namespace: namespaceName }),
      16,
      1,
    ),
    to: listOf(
      z.strictObject({ group: groupName, kind: kindName, name: objectName.optional() }),
      16,
      1,
    ),
  }),
});

const subjectAltName = z.strictObject({
  type: z.enum(['Hostname', 'URI']),
  hostname: z.string().optional(),
  uri: z.string().optional(),
});

const tlsSpec = z.strictObject({
  targetRefs: listOf(
    z.strictObject({
      group: groupName,
      kind: kindName,
      name: objectName,
      sectionName: sectionName.optional(),
    }),
    16,
    1,
  ),
  validation: z.strictObject({
    caCertificateRefs: listOf(localRef, 8).optional(),
    wellKnownCACertificates: z.string().optional(),
    hostname: preciseHostname,
    subjectAltNames: listOf(subjectAltName, 5).optional(),
  }),
  options: textMap(16).optional(),
});

/** Two references to one target need sections that differ. */
function checkTargets({ targetRefs }: BackendTlsPolicySpec, faults: Faults): void {
  const targets = Map.groupBy(targetRefs, (ref) => `${ref.group}/${ref.kind} ${ref.name}`);
  for (const [target, same] of targets) {
    const sections = same.map(({ sectionName: section = '' }) => section);
    if (same.length > 1 && sections.includes(''))
      faults.error('spec.targetRefs', `${target} is named twice: each needs a sectionName`);
    else if (new Set(sections).size < sections.length)
      faults.error(
        'spec.targetRefs',
        `${target} is named twice with one sectionName, want it unique`,
      );
  }
}

function checkValidation({ validation }: BackendTlsPolicySpec, faults: Faults): void {
  const path = 'spec.validation';
  const refs = validation.caCertificateRefs?.length ?? 0;
  const known = validation.wellKnownCACertificates ?? '';
  if (refs > 0 && known !== '')
    faults.error(path, 'caCertificateRefs and wellKnownCACertificates are both given, want one');
  if (refs === 0 && known === '')
    faults.error(path, 'neither caCertificateRefs nor wellKnownCACertificates is given, want one');
  for (const [index, { type, hostname, uri }] of (validation.subjectAltNames ?? []).entries()) {
    const at = `${path}.subjectAltNames[${index}]`;
    const [wanted, other] = type === 'Hostname' ? [hostname, uri] : [uri, hostname];
    if ((wanted ?? '') === '') faults.error(at, `type ${type} needs its value, and has none`);
    if ((other ?? '') !== '') faults.error(at, `a value of another type stands beside ${type}`);
  }
}

export const backendTlsPolicy: ResourceKind = defineKind<BackendTlsPolicySpec>({
  group,
  kind: 'BackendTLSPolicy',
  versions: ['v1', 'v1alpha3'],
  plural: 'backendtlspolicies',
  spec: tlsSpec,
  validate(given) {
    const faults = new Faults();
    checkTargets(given, faults);
    checkValidation(given, faults);
    return faults.list;
  },
});
