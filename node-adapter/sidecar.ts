/**
 * A proxy as an object: it owns its sockets, and everything that a command does with a proxy goes through it.
 * One or two planes (a gateway's, or a sidecar's inbound and outbound) behind any number of fronts.
 */
import type { CredentialFiles } from '../src/lib/file-credential.ts';
import { CredentialHolder } from '../src/credential/holder.ts';
import type { IssuedToken } from '../src/model/identity.ts';
import { valuesName } from '../src/lib/secret-values.ts';
import type { Host } from '../src/host/host.ts';
import type { Endpoint, EndpointOverlay, ProxyScope } from '../src/model/snapshot.ts';
import type { LinkedSnapshot } from '../src/proxy/index.ts';
import { Admission } from './accept/admission.ts';
import { descriptorLimit, shareOfClients } from './accept/descriptors.ts';
import { authorityOf } from './accept/roles.ts';
import { createCall } from './call.ts';
import type { ConnectionServices } from './exchanges.ts';
import { Front } from './front.ts';
import type { FrontRole } from './front-role.ts';
import type { AppAddress, FrontSetting } from './front-setting.ts';
import { GatewayPorts } from './gateway-ports.ts';
import type { SidecarHooks } from './hooks.ts';
import { createNodeHost } from './host.ts';
import { DEFAULT_CONNECTION_LIMITS } from './limits.ts';
import type { ConnectionLimits } from './limits.ts';
import { MongoTraffic } from './mongo/traffic.ts';
import { Plane } from './plane.ts';
import type { Applied, Configuration } from './plane.ts';
import type { IsOwnPort } from './pool/own-ports.ts';
import { Upstreams } from './pool/upstreams.ts';
import type { TlsFor } from './pool/upstreams.ts';
import type { WorkloadIdentity } from './identity/workload.ts';
import { GivenSecrets, OwnSecret } from './secrets.ts';
import type { Secrets } from './secrets.ts';
import { Slices } from './slices.ts';
import { Deadlines } from './sockets/deadlines.ts';
import { probeReadMode } from './sockets/reading.ts';
import type { ReadMode } from './sockets/reading.ts';
import { WORKLOAD_SECRET } from './tls/contexts.ts';
import { FileSecrets } from './tls/file-secrets.ts';
import { Originator } from './tls/originate.ts';
import { Termination } from './tls/termination.ts';
import { MeshTrust } from './tls/trust.ts';

export interface SidecarOptions {
  /** One gateway, or the inbound and outbound side of one service. */
  readonly scopes: readonly ProxyScope[];
  readonly fronts: readonly FrontSetting[];
  /** Where inbound requests go. @default to the endpoints of the registry */
  readonly app?: AppAddress;
  readonly limits?: Partial<ConnectionLimits>;
  /**
   * Connections of clients at a time, over all fronts; 0 = any number. Beyond it they are closed when they are accepted.
   * @default half of the process's file descriptors, less 64
   */
  readonly maxConnections?: number;
  /** Protocols that clients may ask a connection to become. @default websocket */
  readonly upgrades?: readonly string[];
  /** Takes lines of the access log and diagnostics, without line feed. */
  readonly log: (line: string) => void;
  /** May be switched while it runs. @default every request is logged */
  readonly accessLog?: { readonly isOn: boolean };
  /** @default those that come with a configuration */
  readonly secrets?: Secrets;
  /** The workload's certificate of the mesh (X.509-SVID), its key and whom it trusts. @default the secret `workload` */
  readonly identity?: CredentialFiles;
  /** Joins the mesh and renews; whoever made it starts and stops it. @default the secret `workload` is somebody else's */
  readonly workload?: WorkloadIdentity;
  /** Whether a proxy in front of gateway, inbound and service ports says whom it stands for. @default nobody does */
  readonly proxyProtocol?: 'required' | 'allowed';
  /** Asks the control plane for fresher keys. @default nobody can be asked */
  readonly refreshKeys?: (scope: ProxyScope, uri: string, kid: string) => Promise<void>;
  /** Asks the control plane for an identity token that names a key. @default nobody can be asked */
  readonly issueToken?: (key: Readonly<Record<string, unknown>>) => Promise<IssuedToken>;
  /** @default onread, where this Node can */
  readonly readMode?: ReadMode;
  /** For tests. @default none */
  readonly hooks?: SidecarHooks;
}

export interface Listening {
  readonly kind: FrontSetting['kind'];
  readonly host: string;
  readonly port: number;
  /** Of the snapshot; absent where it depends on the request. */
  readonly listenerPort?: number;
}

const DRAIN_POLL_MS = 20;

/** Own clusters lead to the local application; others are those that policies call. */
function ownEndpoints({ named, endpoints }: Configuration, app: AppAddress): EndpointOverlay {
  const { clusters, scope } = named.snapshot;
  const endpoint: Endpoint = { address: app.host, port: app.port, weight: 1, healthy: true };
  const own = clusters.filter(({ service }) => service === scope.service);
  return {
    version: endpoints.version,
    clusters: {
      ...endpoints.clusters,
      ...Object.fromEntries(own.map(({ name }) => [name, [endpoint]])),
    },
  };
}

function credentialsOf(
  host: Host,
  { issueToken: issue }: SidecarOptions,
): Pick<ConnectionServices, 'credentials'> {
  return issue === undefined ? {} : { credentials: new CredentialHolder({ ...host, issue }) };
}

export class Sidecar {
  readonly #options: SidecarOptions;
  readonly #host: Host;
  readonly #upstreams: Upstreams;
  readonly #planes: ReadonlyMap<ProxyScope['type'], Plane>;
  readonly #services: ConnectionServices;
  readonly #fronts: { readonly setting: FrontSetting; readonly front: Front }[] = [];
  readonly #gateways: GatewayPorts[] = [];
  readonly #deadlines = new Deadlines();
  readonly #slices = new Slices();
  readonly #given = new GivenSecrets();
  readonly #secrets: FileSecrets;
  /** Operations over connections that carry MongoDB. */
  readonly mongo: MongoTraffic;
  /** Who may come. */
  readonly admission: Admission;
  readonly #trust: MeshTrust;
  readonly #termination: Termination;
  readonly #originator: Originator;
  #isDraining = false;

  constructor(options: SidecarOptions, mode: ReadMode) {
    this.#options = options;
    const { log, hooks = {} } = options;
    const onFault = (error: unknown): void => this.#fault(error);
    this.#secrets = new FileSecrets({
      log,
      others: secretsOf(options, this.#given),
      ...(options.identity === undefined ? {} : { files: { [WORKLOAD_SECRET]: options.identity } }),
    });
    this.#trust = new MeshTrust(this.#secrets);
    const tls = { secrets: this.#trust, trust: this.#trust, log };
    this.#termination = new Termination(tls);
    this.#originator = new Originator(tls);
    const originator = this.#originator;
    const tlsFor: TlsFor = (target) => originator.optionsFor(target);
    const limits = { ...DEFAULT_CONNECTION_LIMITS, ...options.limits };
    const watching = originator.watching(limits.expiryGraceMs);
    const deadlines = this.#deadlines;
    // Calls to the application's own port lead on to the application, and don't come back.
    const isOwnPort: IsOwnPort = (port) =>
      this.listening().some((own) => own.kind !== 'inbound' && own.port === port);
    this.#upstreams = new Upstreams({
      ...hooks,
      ...watching,
      deadlines,
      mode,
      tlsFor,
      onFault,
      isOwnPort,
    });
    this.#host = createNodeHost({
      log: options.log,
      ...(options.accessLog === undefined ? {} : { accessLog: options.accessLog }),
      ...hooks,
      dial: createCall(() => this.#upstreams),
    });
    this.mongo = new MongoTraffic(this.#host);
    const { maxConnections = shareOfClients(descriptorLimit()) } = options;
    this.admission = new Admission({ maxConnections, log });
    this.#planes = new Map(options.scopes.map((scope) => [scope.type, this.#plane(scope)]));
    this.#services = {
      ...hooks,
      upstreams: this.#upstreams,
      host: this.#host,
      ...credentialsOf(this.#host, options),
      upgrades: new Set(options.upgrades ?? ['websocket']),
      onFault,
      limits,
      deadlines,
      mode,
      termination: this.#termination,
      admission: this.admission,
      mongo: this.mongo,
      ...watching,
      tlsFor: (target) => originator.optionsFor({ ...target, carries: 'bytes' }),
      isOwnPort,
      ...(options.proxyProtocol === undefined ? {} : { proxyProtocol: options.proxyProtocol }),
      isDraining: () => this.#isDraining,
    };
  }

  /** Opens every socket, or none. @throws Error of the system when one can't be had */
  async listen(): Promise<readonly Listening[]> {
    try {
      for (const setting of this.#options.fronts) await this.open(setting);
    } catch (error) {
      await this.close();
      throw error;
    }
    return this.listening();
  }

  listening(): readonly Listening[] {
    const fixed = this.#fronts.flatMap(({ setting, front }): Listening[] =>
      front.address === undefined
        ? []
        : [
            {
              kind: setting.kind,
              host: front.address.address,
              port: front.address.port,
              ...(setting.kind === 'inbound' ? { listenerPort: setting.listenerPort } : {}),
            },
          ],
    );
    return [...fixed, ...this.#gateways.flatMap((ports) => ports.listening())];
  }

  /**
   * Puts a configuration of one scope in force, whole, and resolves when it is: requests under way end on the one that
   * they began with. It is linked in slices, with traffic between; of those that are given meanwhile only the newest
   * is put in force, and the others resolve as superseded.
   * @throws LinkError (as a rejection) when it can't be run: what was in force stays
   */
  async apply(type: ProxyScope['type'], configuration: Configuration): Promise<Applied> {
    const plane = this.#planeOf(type);
    const { app } = this.#options;
    return plane.apply(
      type === 'sidecar-inbound' && app !== undefined
        ? { ...configuration, endpoints: ownEndpoints(configuration, app) }
        : configuration,
    );
  }

  /** In force for a scope; undefined = nothing yet. */
  running(type: ProxyScope['type']): LinkedSnapshot | undefined {
    return this.#planeOf(type).linked;
  }

  /** Every scope has a configuration. */
  get isReady(): boolean {
    return (
      !this.#isDraining && [...this.#planes.values()].every(({ linked }) => linked !== undefined)
    );
  }

  get isDraining(): boolean {
    return this.#isDraining;
  }

  get planes(): readonly Plane[] {
    return [...this.#planes.values()];
  }

  get upstreams(): Upstreams {
    return this.#upstreams;
  }

  /** Open connections of clients. */
  get connections(): number {
    return [...this.#allFronts()].reduce((sum, front) => sum + front.connections, 0);
  }

  /** Ports that the configuration in force wants are open, or were tried. */
  async settled(): Promise<void> {
    await Promise.all(this.#gateways.map((ports) => ports.settled()));
  }

  /** Connections end behind what comes by them next: a client that comes back learns of it in time. */
  announceEnd(): void {
    this.#isDraining = true;
  }

  /** Takes nothing new and waits until what is under way has ended, at most so long. */
  async drain(deadlineMs: number): Promise<void> {
    this.#isDraining = true;
    for (const front of this.#allFronts()) front.drain();
    const untilMs = Date.now() + deadlineMs;
    while (this.connections > 0 && Date.now() < untilMs)
      await new Promise((resolve) => {
        setTimeout(resolve, DRAIN_POLL_MS);
      });
  }

  /** Ends everything now. */
  async close(): Promise<void> {
    this.#isDraining = true;
    for (const plane of this.planes) plane.close();
    for (const front of this.#allFronts()) front.close();
    this.#upstreams.close();
    this.#termination.close();
    this.#originator.close();
    this.#trust.close();
    this.#secrets.close();
    this.#deadlines.close();
  }

  *#allFronts(): Iterable<Front> {
    for (const { front } of this.#fronts) yield front;
    for (const ports of this.#gateways) yield* ports.fronts();
  }

  #plane(scope: ProxyScope): Plane {
    const { refreshKeys } = this.#options;
    const plane = new Plane({
      host: this.#host,
      scope,
      slices: this.#slices,
      secret: (name) => this.#secrets.get(valuesName(name))?.values,
      ...(refreshKeys === undefined
        ? {}
        : { refreshKeys: (uri: string, kid: string) => refreshKeys(scope, uri, kid) }),
    });
    plane.onApplied(({ named }) => {
      this.#trust.update(scope.type, named.snapshot.mesh);
      this.#retainPools();
      this.#options.workload?.trust(named.snapshot.mesh.trust);
    });
    return plane;
  }

  #planeOf(type: ProxyScope['type']): Plane {
    const plane = this.#planes.get(type);
    if (plane === undefined) throw new Error(`this proxy has no scope of type ${type}`);
    return plane;
  }

  /** Opens a further socket. @throws Error of the system when it can't be had */
  async open(setting: FrontSetting): Promise<void> {
    if (setting.kind === 'gateway') {
      const { handleFor } = setting;
      const ports = new GatewayPorts({
        plane: this.#planeOf('gateway'),
        host: setting.host,
        portOf: setting.portOf ?? ((port) => port),
        services: this.#services,
        log: this.#options.log,
        ...(handleFor === undefined ? {} : { handleFor }),
      });
      this.#gateways.push(ports);
      await ports.open();
      return;
    }
    const inbound = setting.kind === 'inbound';
    const front = new Front({
      at: setting.at,
      plane: this.#planeOf(inbound ? 'sidecar-inbound' : 'sidecar-outbound'),
      role: roleOf(setting),
      services: this.#services,
    });
    this.#fronts.push({ setting, front });
    await front.listen();
  }

  /** Connections to what no configuration names any more are let go. */
  #retainPools(): void {
    const wanted = new Map<string, ReadonlySet<string>>();
    // Clusters are many; those that have connections are few.
    const addressesOf = (cluster: string): ReadonlySet<string> =>
      new Set(
        this.planes.flatMap(({ linked }) =>
          (linked?.clusters.get(cluster)?.balancing.endpoints ?? []).map(
            ({ address, port }) => `${address}:${port}`,
          ),
        ),
      );
    this.#upstreams.retain((cluster, address) => {
      const known = wanted.get(cluster) ?? addressesOf(cluster);
      wanted.set(cluster, known);
      return known.has(address);
    });
  }

  #fault(error: unknown): void {
    const cause = error instanceof Error ? (error.stack ?? error.message) : 'unknown';
    this.#options.log(JSON.stringify({ level: 'error', message: 'a connection failed', cause }));
  }
}

function secretsOf({ secrets, workload }: SidecarOptions, given: Secrets): Secrets {
  const others = secrets ?? given;
  return workload === undefined ? others : new OwnSecret(WORKLOAD_SECRET, workload, others);
}

function roleOf(setting: Exclude<FrontSetting, { readonly kind: 'gateway' }>): FrontRole {
  switch (setting.kind) {
    case 'inbound':
      return { kind: 'inbound', listenerPort: setting.listenerPort };
    case 'service':
      return {
        kind: 'service',
        listenerPort: setting.port,
        host: setting.host,
        authority: authorityOf(setting.host, setting.port),
      };
    case 'proxy':
      return { kind: 'proxy' };
    default:
      return setting satisfies never;
  }
}

export async function createSidecar(options: SidecarOptions): Promise<Sidecar> {
  return new Sidecar(options, options.readMode ?? (await probeReadMode()));
}
