/** The listeners of one Gateway, those of its ListenerSets included, and what is wrong with each. */
import { own } from '../../lib/own.ts';
import type {
  ApiGatewaySpec,
  ApiListener,
  FrontendValidation,
  ListenerSetSpec,
  Resource,
} from '../../model/api.ts';
import { intersectHosts } from '../compile/names.ts';
import { resolveAuthority, resolveCertificate } from './certificates.ts';
import type { ApiSource, RouteKind } from './source.ts';
import type { Refusal } from './words.ts';
import { API_GROUP, refuse } from './words.ts';

export type ListenerOwner = Resource<ApiGatewaySpec> | Resource<ListenerSetSpec>;

export interface ClientValidation {
  /** AllowValidOnly: no connection without a certificate of these authorities. */
  readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback';
  /** PEM, one entry a reference. */
  readonly authorities: readonly string[];
}

export interface ResolvedListener {
  readonly owner: ListenerOwner;
  /** JSON path in the owner. */
  readonly path: string;
  readonly spec: ApiListener;
  readonly name: string;
  readonly port: number;
  readonly protocol: string;
  /** Lower case; `*` where none is given. */
  readonly hostname: string;
  /** Kinds of routes that it takes. */
  readonly kinds: readonly RouteKind[];
  /** `namespace/name` of Secrets. */
  readonly certificates: readonly string[];
  readonly clients: ClientValidation | undefined;
  /** Undefined = accepted. */
  readonly refusal: Refusal | undefined;
  /** Undefined = all references are resolved. */
  readonly unresolved: Refusal | undefined;
  /** It gives way to another listener of the port. */
  readonly conflict: Refusal | undefined;
  /** A neighbour on the port takes some of its server names. */
  readonly overlaps: boolean;
  /** Takes traffic. */
  readonly isProgrammed: boolean;
}

const KINDS: Readonly<Record<string, readonly RouteKind[]>> = {
  HTTP: ['HTTPRoute', 'GRPCRoute'],
  HTTPS: ['HTTPRoute', 'GRPCRoute'],
  TLS: ['TLSRoute'],
  TCP: ['TCPRoute'],
};

const isTls = ({ protocol }: ApiListener): boolean => protocol === 'HTTPS' || protocol === 'TLS';
const terminates = (spec: ApiListener): boolean =>
  isTls(spec) && (spec.tls?.mode ?? 'Terminate') === 'Terminate';

/** Passthrough leaves no stream to route but by its server name. */
function fittingKinds(spec: ApiListener): readonly RouteKind[] {
  const kinds = own(KINDS, spec.protocol) ?? [];
  return spec.protocol === 'TLS' && terminates(spec) ? [...kinds, 'TCPRoute'] : kinds;
}

function supportedKinds(spec: ApiListener): { kinds: RouteKind[]; refusal?: Refusal } {
  const fitting = fittingKinds(spec);
  const wanted = spec.allowedRoutes?.kinds ?? [];
  if (wanted.length === 0) return { kinds: [...fitting] };
  const known = wanted.filter(
    ({ group = API_GROUP, kind }) => group === API_GROUP && fitting.some((one) => one === kind),
  );
  const kinds = fitting.filter((kind) => known.some((one) => one.kind === kind));
  if (known.length === wanted.length) return { kinds };
  const odd = wanted.filter((one) => !known.includes(one)).map(({ kind }) => kind);
  return {
    kinds,
    refusal: refuse(
      'InvalidRouteKinds',
      `${odd.join(', ')} is no kind of route for ${spec.protocol}, want ${fitting.join(', ') || 'another protocol'}`,
    ),
  };
}

function resolveCertificates(
  spec: ApiListener,
  owner: ListenerOwner,
  source: ApiSource,
): { certificates: string[]; refusal?: Refusal } {
  if (!terminates(spec)) return { certificates: [] };
  const refs = spec.tls?.certificateRefs ?? [];
  if (refs.length === 0)
    return {
      certificates: [],
      refusal: refuse(
        'InvalidCertificateRef',
        'TLS is terminated here and no certificate is named',
      ),
    };
  const from = { kind: owner.kind, namespace: owner.metadata.namespace };
  const found = refs.map((ref) => resolveCertificate(ref, from, source, 'InvalidCertificateRef'));
  const refusal = found.find((one) => one.refusal !== undefined)?.refusal;
  return {
    certificates: found.flatMap(({ secret }) => (secret === undefined ? [] : [secret])),
    ...(refusal === undefined ? {} : { refusal }),
  };
}

/** Client certificates are a matter of the Gateway, by port. */
function validationOf(gateway: ApiGatewaySpec, port: number): FrontendValidation | undefined {
  const { perPort, default: standard } = gateway.tls?.frontend ?? {};
  const own = perPort?.find((entry) => entry.port === port);
  return own === undefined ? standard?.validation : own.tls?.validation;
}

function resolveClients(
  spec: ApiListener,
  gateway: Resource<ApiGatewaySpec>,
  source: ApiSource,
): { clients?: ClientValidation; unresolved?: Refusal; refusal?: Refusal } {
  const validation =
    spec.protocol === 'HTTPS' ? validationOf(gateway.spec, portOf(spec)) : undefined;
  if (validation === undefined) return {};
  const from = { kind: 'Gateway', namespace: gateway.metadata.namespace };
  const found = (validation.caCertificateRefs ?? []).map((ref) =>
    resolveAuthority(ref, from, source),
  );
  const authorities = found.flatMap(({ pem }) => (pem === undefined ? [] : [pem]));
  const unresolved = found.find(({ refusal }) => refusal !== undefined)?.refusal;
  return {
    clients: { mode: validation.mode ?? 'AllowValidOnly', authorities },
    ...(unresolved === undefined ? {} : { unresolved }),
    ...(authorities.length > 0
      ? {}
      : { refusal: refuse('NoValidCACertificate', 'no CA certificate for clients can be used') }),
  };
}

/** A ListenerSet may leave the port to the protocol. */
export function portOf(spec: ApiListener): number {
  return spec.port ?? (spec.protocol === 'HTTP' ? 80 : 443);
}

interface Draft extends Omit<ResolvedListener, 'conflict' | 'overlaps' | 'isProgrammed'> {
  readonly rank: number;
}

function draft(
  spec: ApiListener,
  place: { readonly owner: ListenerOwner; readonly index: number; readonly rank: number },
  gateway: Resource<ApiGatewaySpec>,
  source: ApiSource,
): Draft {
  const { owner, index, rank } = place;
  const kinds = supportedKinds(spec);
  const certificates = resolveCertificates(spec, owner, source);
  const clients = resolveClients(spec, gateway, source);
  const isKnown = own(KINDS, spec.protocol) !== undefined;
  return {
    owner,
    rank,
    spec,
    path: `spec.listeners[${index}]`,
    name: spec.name,
    port: portOf(spec),
    protocol: spec.protocol,
    hostname:
      spec.hostname === undefined || spec.hostname === '' ? '*' : spec.hostname.toLowerCase(),
    kinds: kinds.kinds,
    certificates: certificates.certificates,
    clients: clients.clients,
    refusal: isKnown
      ? clients.refusal
      : refuse(
          'UnsupportedProtocol',
          `protocol ${spec.protocol} is not served, want HTTP, HTTPS, TLS or TCP`,
        ),
    unresolved: kinds.refusal ?? certificates.refusal ?? clients.unresolved,
  };
}

/** Protocols that one port can carry together. */
function family(protocol: string): string {
  return protocol === 'HTTPS' || protocol === 'TLS' ? 'TLS' : protocol;
}

function clash(one: Draft, other: Draft): Refusal | undefined {
  if (one.port !== other.port) return undefined;
  const where = `listener ${other.name} of ${other.owner.kind} ${other.owner.metadata.namespace}/${other.owner.metadata.name}`;
  if (family(one.protocol) !== family(other.protocol))
    return refuse(
      'ProtocolConflict',
      `port ${one.port} speaks ${other.protocol} for ${where}, so not ${one.protocol}`,
    );
  return one.hostname === other.hostname
    ? refuse(
        'HostnameConflict',
        `hostname ${one.hostname} of port ${one.port} is taken by ${where}`,
      )
    : undefined;
}

/**
 * Inside one owner no listener wins. Between owners the Gateway's come first, then ListenerSets by age;
 * only listeners that are themselves in force stand in another's way.
 */
function findConflicts(drafts: readonly Draft[]): ReadonlyMap<Draft, Refusal> {
  const conflicts = new Map<Draft, Refusal>();
  const inForce: Draft[] = [];
  for (const [, own] of Map.groupBy(drafts, ({ rank }) => rank)) {
    const sound = own.filter(({ refusal }) => refusal === undefined);
    for (const one of sound) {
      const found =
        inForce.map((other) => clash(one, other)).find((fault) => fault !== undefined) ??
        sound
          .filter((other) => other !== one)
          .map((other) => clash(one, other))
          .find((fault) => fault !== undefined);
      if (found !== undefined) conflicts.set(one, found);
    }
    inForce.push(...sound.filter((one) => !conflicts.has(one)));
  }
  return conflicts;
}

function finish(
  one: Draft,
  conflicts: ReadonlyMap<Draft, Refusal>,
  drafts: readonly Draft[],
): ResolvedListener {
  const { rank: _rank, ...fields } = one;
  const conflict = conflicts.get(one);
  const isHttps = one.protocol === 'HTTPS';
  // A listener keeps serving the kinds and certificates that are sound.
  const isCrippled =
    one.kinds.length === 0 || (terminates(one.spec) && one.certificates.length === 0);
  return {
    ...fields,
    conflict,
    overlaps:
      isHttps &&
      drafts.some(
        (other) =>
          other !== one &&
          other.protocol === 'HTTPS' &&
          other.port === one.port &&
          intersectHosts(other.hostname, one.hostname) !== undefined,
      ),
    isProgrammed: conflict === undefined && one.refusal === undefined && !isCrippled,
  };
}

/** `sets`: the ListenerSets that the Gateway lets in, oldest first. */
export function resolveListeners(
  gateway: Resource<ApiGatewaySpec>,
  sets: readonly Resource<ListenerSetSpec>[],
  source: ApiSource,
): readonly ResolvedListener[] {
  const owners: readonly ListenerOwner[] = [gateway, ...sets];
  const drafts = owners.flatMap((owner, rank) =>
    (owner.spec.listeners ?? []).map((spec, index) =>
      draft(spec, { owner, index, rank }, gateway, source),
    ),
  );
  const conflicts = findConflicts(drafts);
  return drafts.map((one) => finish(one, conflicts, drafts));
}
