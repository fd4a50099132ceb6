/** What there is to say of a host, as plain data: no secret is in it. */
import type { Labels } from '../../model/api.ts';
import type { Diagnostic } from '../../model/diagnostic.ts';

/** Where something stands. */
export interface Named {
  /** `Kind namespace/name`. */
  readonly resource: string;
  /** As `spec.http[2]`. */
  readonly path: string;
}

export interface ServiceView extends Named {
  readonly ports: readonly {
    readonly number: number;
    readonly name: string;
    readonly protocol: string;
    readonly targetPort?: number | string;
  }[];
  readonly resolution: string;
  readonly location: string;
  readonly exportTo: readonly string[];
  readonly addresses: readonly string[];
  /** Other resources that have the host: joined to this one in its namespace, unused elsewhere. */
  readonly alsoDefinedBy: readonly Named[];
  /** Why clients of the namespace have no route to it. */
  readonly hidden?: string;
}

export interface EndpointView extends Named {
  readonly address: string;
  /** Which port of the workload a port of the service is. */
  readonly ports: readonly { readonly port: number; readonly targetPort: number }[];
  readonly labels: Labels;
  /** False: it is sent nothing. */
  readonly ready: boolean;
  readonly locality?: string;
  readonly weight?: number;
  readonly subsets: readonly string[];
}

/** The traffic policy of some ports, in words. */
export interface TrafficPolicyView {
  readonly words: string;
  readonly ports: readonly number[];
  /** Absent = the mesh's defaults. */
  readonly resource?: string;
  readonly path?: string;
}

export interface SubsetView extends Named {
  readonly name: string;
  readonly labels: Labels;
  /** Absent where connections go to the address that the client asked for. */
  readonly endpoints?: number;
  readonly trafficPolicy: readonly TrafficPolicyView[];
}

export interface DestinationView {
  readonly host: string;
  readonly subset?: string;
  readonly port?: number;
  readonly weight?: number;
  /** It gets a copy, of this share of the requests. */
  readonly mirrorPercent?: number;
  /** Why nothing goes there. */
  readonly refusal?: string;
}

export interface AttachmentView {
  /** `mesh`, `Gateway namespace/name`, `Service namespace/name`; behind it the listener where one is named. */
  readonly parent: string;
  readonly accepted: boolean;
  /** A proxy of the parent acts on the rule: for this host where the rule is for it. */
  readonly inForce: boolean;
  readonly reason?: string;
}

export interface RouteView extends Named {
  readonly name?: string;
  /** It takes requests for the host, sends some (or copies) to it, or asks it whether to let them through. */
  readonly roles: readonly ('for' | 'to' | 'mirror' | 'ext_authz')[];
  /** The VirtualService that delegates to this one. */
  readonly root?: string;
  readonly hosts: readonly string[];
  /** In words. */
  readonly match: string;
  /** In words. */
  readonly action: string;
  readonly destinations: readonly DestinationView[];
  readonly attachments: readonly AttachmentView[];
}

export interface CertificateView {
  /** `namespace/name`. */
  readonly secret: string;
  readonly exists: boolean;
  /** Why it can't be used. */
  readonly reason?: string;
  /** Of the subject and its alternatives. */
  readonly names?: readonly string[];
  /** RFC 3339. */
  readonly notAfter?: string;
}

export interface GatewayView extends Named {
  readonly name?: string;
  /** Its hosts cover the host; else it only has routes that lead there. */
  readonly takesHost: boolean;
  readonly hosts: readonly string[];
  readonly port: number;
  readonly protocol: string;
  readonly tlsMode?: string;
  readonly certificates: readonly CertificateView[];
  readonly accepted: boolean;
  readonly reason?: string;
}

export interface MtlsView {
  /** Whose: labels as `app=reviews,version=v1`. */
  readonly workloads: string;
  readonly mode: string;
  /** By workload port, where it differs. */
  readonly ports: Readonly<Record<string, string>>;
}

export interface PolicyView extends Named {
  /** In words. */
  readonly action: string;
  /** Workloads, gateways, routes and services that it holds for. */
  readonly holdsFor: readonly string[];
  readonly enforced: boolean;
  /** Why it isn't. */
  readonly reason?: string;
}

export interface HostDescription {
  /** As the mesh knows it: the full name of a service. */
  readonly host: string;
  /** Its clients' view it is. */
  readonly namespace: string;
  /** Names under which these may call it. */
  readonly names: readonly string[];
  readonly service?: ServiceView;
  readonly trafficPolicy: readonly TrafficPolicyView[];
  readonly endpoints: readonly EndpointView[];
  readonly subsets: readonly SubsetView[];
  readonly routes: readonly RouteView[];
  readonly gateways: readonly GatewayView[];
  readonly mtls: readonly MtlsView[];
  readonly policies: readonly PolicyView[];
  readonly findings: readonly Diagnostic[];
}
