/** Core kinds that a mesh reads, and Kubernetes kinds that it only keeps. */
import { z } from 'zod';
import type { ServiceSpec } from '../../model/api.ts';
import type { ResourceKind } from '../../model/config.ts';
import { checkPort } from '../checks.ts';
import { Faults, defineKind, defineLooseKind } from '../define.ts';
import { integer, labels, text } from '../fields.ts';

const servicePort = z.looseObject({
  name: text.optional(),
  port: integer,
  targetPort: z.union([z.number(), z.string()]).optional(),
  protocol: text.optional(),
  appProtocol: text.optional(),
  nodePort: integer.optional(),
});

export const service: ResourceKind = defineKind<ServiceSpec>({
  group: '',
  kind: 'Service',
  versions: ['v1'],
  plural: 'services',
  spec: z.looseObject({
    selector: labels.optional(),
    ports: z.array(servicePort).optional(),
    type: text.optional(),
    clusterIP: text.optional(),
    externalName: text.optional(),
  }),
  validate(spec) {
    const faults = new Faults();
    for (const [index, port] of (spec.ports ?? []).entries())
      checkPort(port.port, `spec.ports[${index}].port`, faults);
    return faults.list;
  },
});

const loose = (group: string, kind: string, plural: string, inert: boolean): ResourceKind =>
  defineLooseKind({ group, kind, versions: VERSIONS[group] ?? ['v1'], plural, inert });

const VERSIONS: Readonly<Record<string, readonly string[]>> = {
  autoscaling: ['v2', 'v1'],
  policy: ['v1'],
};

export const secret: ResourceKind = loose('', 'Secret', 'secrets', false);
export const configMap: ResourceKind = loose('', 'ConfigMap', 'configmaps', false);
export const namespace: ResourceKind = loose('', 'Namespace', 'namespaces', false);

/** People's files hold these beside what a mesh is about. */
export const inertKinds: readonly ResourceKind[] = (
  [
    ['', 'ServiceAccount', 'serviceaccounts'],
    ['', 'Pod', 'pods'],
    ['', 'Endpoints', 'endpoints'],
    ['', 'PersistentVolumeClaim', 'persistentvolumeclaims'],
    ['', 'PersistentVolume', 'persistentvolumes'],
    ['discovery.k8s.io', 'EndpointSlice', 'endpointslices'],
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
  ] as const
).map(([group, kind, plural]) => loose(group, kind, plural, true));
