/** A proxy as a program of its own, for the command line. */
export { createControlSource } from '../config/control-source.ts';
export { createFolderSource } from '../config/folder-source.ts';
export { createLastGood } from '../config/last-good.ts';
export type { AdminAt } from '../admin/server.ts';
export type { ConfigSource } from '../config/source.ts';
export { createWorkloadIdentity } from '../identity/workload.ts';
export type { WorkloadIdentity } from '../identity/workload.ts';
export type { Joining } from '../identity/authority-client.ts';
export { createLineLog } from '../log.ts';
export { MeshNode } from './node.ts';
export type { NodeOptions, SourceSink } from './node.ts';
export { findRecord, isAlive, readRecords } from './record.ts';
export type { NodeRecord } from './record.ts';
export { gatewayPort } from './setup.ts';
export type { FrontPlan } from './setup.ts';
export { findPredecessor } from './successor.ts';
