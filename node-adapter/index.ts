/** A proxy inside a program of one's own. */
export { startAdmin } from './admin/server.ts';
export type { AdminAt, AdminOptions, AdminServer } from './admin/server.ts';
export { viewOf } from './admin/view.ts';
export type { ProxyView } from './admin/view.ts';
export { JoinRefusedError } from './identity/authority-client.ts';
export type { Joining } from './identity/authority-client.ts';
export { UntrustedError } from './identity/path.ts';
export { createWorkloadIdentity } from './identity/workload.ts';
export type {
  IdentityState,
  WorkloadIdentity,
  WorkloadIdentityOptions,
} from './identity/workload.ts';
export type { ConnectionLimits } from './limits.ts';
export type { ListenAt } from './listening.ts';
export type { Applied, Configuration } from './plane.ts';
export type { SecretMaterial, Secrets } from './secrets.ts';
export { createSidecar } from './sidecar.ts';
export type { AppAddress, FrontSetting } from './front-setting.ts';
export type { Listening, Sidecar, SidecarOptions } from './sidecar.ts';
