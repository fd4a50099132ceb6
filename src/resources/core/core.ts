/** Core kinds that a mesh reads, and Kubernetes kinds that it only keeps. */
import { z } from 'zod';
import type { ServiceSpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkPort, isDnsLabel, isIpAddress } from '../checks.ts';
import { Faults, defineKind, defineLooseKind } from '../define.ts';
import { anyMap, flag, integer, labels, text, texts } from '../fields.ts';

const servicePort = z.strictObject({
  name: text.optional(),
  port: integer,
  targetPort: z.union([z.int(), z.string()]).optional(),
  protocol: z.enum(['TCP', 'UDP', 'SCTP']).optional(),
  appProtocol: text.optional(),
  nodePort: integer.optional(),
});

const serviceSpec = z.strictObject({
  selector: labels.optional(),
  ports: z.array(servicePort).optional(),
  type: z.enum(['ClusterIP', 'NodePort', 'LoadBalancer', 'ExternalName']).optional(),
  clusterIP: text.optional(),
  clusterIPs: texts.optional(),
  externalName: text.optional(),
  externalIPs: texts.optional(),
  externalTrafficPolicy: text.optional(),
  internalTrafficPolicy: text.optional(),
  healthCheckNodePort: integer.optional(),
  ipFamilies: texts.optional(),
  ipFamilyPolicy: text.optional(),
  allocateLoadBalancerNodePorts: flag.optional(),
  loadBalancerClass: text.optional(),
  loadBalancerIP: text.optional(),
  loadBalancerSourceRanges: texts.optional(),
  publishNotReadyAddresses: flag.optional(),
  sessionAffinity: text.optional(),
  sessionAffinityConfig: anyMap.optional(),
  trafficDistribution: text.optional(),
});

const PORT_NAME = /^(?=.*[a-z])[a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?$/;

function checkServicePorts(spec: ServiceSpec, faults: Faults): void {
  const ports = spec.ports ?? [];
  const names = new Set<string>();
  const numbers = new Set<string>();
  for (const [index, { name, port, protocol, targetPort }] of ports.entries()) {
    const path = `spec.ports[${index}]`;
    checkPort(port, `${path}.port`, faults);
    if (typeof targetPort === 'number') checkPort(targetPort, `${path}.targetPort`, faults);
    else if (targetPort !== undefined && !PORT_NAME.test(targetPort))
      faults.error(
        `${path}.targetPort`,
        `targetPort ${JSON.stringify(targetPort)} is no number and no name of a port`,
      );
    if (name === undefined || name === '') {
      if (ports.length > 1)
        faults.error(`${path}.name`, 'a port needs a name where there are several');
    } else if (!isDnsLabel(name))
      faults.error(`${path}.name`, `port name ${JSON.stringify(name)} is no DNS label`);
    else if (names.has(name)) faults.error(`${path}.name`, `port name ${name} stands twice`);
    const number = `${protocol ?? 'TCP'} ${port}`;
    if (numbers.has(number)) faults.error(`${path}.port`, `port ${number} stands twice`);
    names.add(name ?? '');
    numbers.add(number);
  }
}

export const service: ResourceKind = defineKind<ServiceSpec>({
  group: '',
  kind: 'Service',
  versions: ['v1'],
  plural: 'services',
  spec: serviceSpec,
  validate(spec, { metadata }) {
    const faults = new Faults();
    if (!isDnsLabel(metadata.name))
      faults.error(
        'metadata.name',
        `name ${metadata.name} of a Service is a DNS label, without dots`,
      );
    checkServicePorts(spec, faults);
    const { clusterIP = '' } = spec;
    if (clusterIP !== '' && clusterIP !== 'None' && !isIpAddress(clusterIP))
      faults.error(
        'spec.clusterIP',
        `clusterIP ${JSON.stringify(clusterIP)} is no IP address`,
        'write an address or None, or leave it out',
      );
    if (spec.type === 'ExternalName' && (spec.externalName ?? '') === '')
      faults.error('spec.externalName', 'type ExternalName needs an externalName');
    return faults.list;
  },
});

const loose = (group: string, kind: string, plural: string, inert: boolean): ResourceKind =>
  defineLooseKind({ group, kind, versions: VERSIONS[group] ?? ['v1'], plural, inert });

const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  autoscaling: ['v2', 'v1'],
  policy: ['v1'],
};

export const namespace: ResourceKind = loose('', 'Namespace', 'namespaces', false);

/** People's files hold these beside what a mesh is about. */
export const inertKinds: readonly ResourceKind[] = (
  [
    ['', 'ServiceAccount', 'serviceaccounts'],
    ['', 'Pod', 'pods'],
    ['', 'Endpoints', 'endpoints'],
    ['', 'PersistentVolumeClaim', 'persistentvolumeclaims'],
    ['', 'PersistentVolume', 'persistentvolumes'],
    ['apps', 'Deployment', 'deployments'],
    ['apps', 'ReplicaSet', 'replicasets'],
    ['apps', 'StatefulSet', 'statefulsets'],
    ['apps', 'DaemonSet', 'daemonsets'],
    ['batch', 'Job', 'jobs'],
    ['batch', 'CronJob', 'cronjobs'],
    ['autoscaling', 'HorizontalPodAutoscaler', 'horizontalpodautoscalers'],
    ['policy', 'PodDisruptionBudget', 'poddisruptionbudgets'],
    ['networking.k8s.io', 'NetworkPolicy', 'networkpolicies'],
    ['networking.k8s.io', 'Ingress', 'ingresses'],
    ['rbac.authorization.k8s.io', 'Role', 'roles'],
    ['rbac.authorization.k8s.io', 'RoleBinding', 'rolebindings'],
    ['rbac.authorization.k8s.io', 'ClusterRole', 'clusterroles'],
    ['rbac.authorization.k8s.io', 'ClusterRoleBinding', 'clusterrolebindings'],
    ['apiextensions.k8s.io', 'CustomResourceDefinition', 'customresourcedefinitions'],
    ['storage.k8s.io', 'StorageClass', 'storageclasses'],
    [
      'admissionregistration.k8s.io',
      'ValidatingWebhookConfiguration',
      'validatingwebhookconfigurations',
    ],
    [
      'admissionregistration.k8s.io',
      'MutatingWebhookConfiguration',
      'mutatingwebhookconfigurations',
    ],
    ['', 'Node', 'nodes'],
    ['', 'LimitRange', 'limitranges'],
    ['', 'ResourceQuota', 'resourcequotas'],
    ['', 'ReplicationController', 'replicationcontrollers'],
  ] as const
).map(([group, kind, plural]) => loose(group, kind, plural, true));
