/** One case's proxy with its sockets, and the exchanges that it is asked for. */
import type { ConnectionOptions } from 'node:tls';
import type { FrontSetting } from '../../../node-adapter/front-setting.ts';
import type { Sidecar } from '../../../node-adapter/sidecar.ts';
import { createSidecar } from '../../../node-adapter/sidecar.ts';
import type { Configuration } from '../../../node-adapter/plane.ts';
import { GivenSecrets } from '../../../node-adapter/secrets.ts';
import { writeProxyHeader } from '../../../node-adapter/sniff/proxy-protocol.ts';
import type { Exchange } from '../../../src/model/exchange.ts';
import type { SecretMaterial } from '../../../src/model/secret.ts';
import type { Cluster } from '../../../src/model/snapshot.ts';
import type { ExchangeReport } from '../../../workers/test-report.ts';
import { reportOf } from '../../../workers/test-report.ts';
import type { CaseRequest } from '../cases.ts';
import type { Asker } from './ask.ts';
import { pause } from './ask.ts';
import { Backends } from './backends.ts';
import type { Certificates } from './certificates.ts';
import type { Way } from './client.ts';
import { askBy, isGrpc, isTcp } from './client.ts';
import type { Exchanged } from './report.ts';
import { clusterAt } from './report.ts';

/** For what comes beside an answer. A line of the log always does, copies where their backend can be reached. */
const LINE_MS = 20_000;
const COPIES_MS = 2000;
/** Nothing that a proxy foresees is logged so. */
const FAULT = '"message":"a connection failed"';
const LOCAL = { host: '127.0.0.1', port: 0 } as const;
const CLIENT = { ip: '192.0.2.1', port: 40_000 } as const;
const DNS_NAME = /^(?=.*[a-z])[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i;

const portOf = ({ port, scheme }: CaseRequest): number => port ?? (scheme === 'https' ? 443 : 80);

const isSecure = ({ scheme, tls, peer }: CaseRequest): boolean =>
  scheme === 'https' || tls !== undefined || peer?.principal !== undefined;

async function until(isDone: () => boolean, ms: number): Promise<void> {
  const untilMs = Date.now() + ms;
  while (!isDone() && Date.now() < untilMs) await pause(1);
}

/** What the access log says of a connection that no request was read from. */
interface Line {
  readonly policy?: string;
  readonly cluster?: string;
  readonly flags?: string;
}

export interface Staged {
  readonly configuration: Configuration;
  readonly secrets: Readonly<Record<string, SecretMaterial>>;
  readonly certificates: Certificates;
}

export class Stage implements Asker {
  readonly #staged: Staged;
  readonly #backends: Backends;
  #sidecar!: Sidecar;
  /** Of fronts that were opened, by what comes by them. */
  readonly #ports = new Map<string, number>();
  #draw = 0;
  #last: Exchange | undefined;
  #lines: string[] = [];

  private constructor(staged: Staged, backends: Backends) {
    this.#staged = staged;
    this.#backends = backends;
  }

  static async open(staged: Staged): Promise<Stage> {
    const { snapshot } = staged.configuration.named;
    const stage = new Stage(staged, await Backends.open(snapshot, staged.certificates));
    try {
      await stage.#start();
    } catch (error) {
      stage.#backends.close();
      throw error;
    }
    return stage;
  }

  get clusters(): readonly Cluster[] {
    return this.#staged.configuration.named.snapshot.clusters;
  }

  async once(request: CaseRequest, draw: number): Promise<Exchanged> {
    const backends = this.#backends;
    this.#draw = draw;
    this.#last = undefined;
    this.#lines = [];
    backends.forget();
    const port = await this.#portFor(request);
    const way = this.#wayOf(request);
    const response = port === undefined ? undefined : await askBy({ port, ...way }, request);
    if (port !== undefined) await this.#settle();
    const report = this.#report();
    this.#examine(way.tls?.servername, report);
    const { received } = backends;
    return { response, report, received: () => received, forget: () => undefined };
  }

  /** What no case asks for and nothing may lack. */
  #examine(servername: string | undefined, report: ExchangeReport): void {
    const fault = this.#lines.find((line) => line.includes(FAULT));
    if (fault !== undefined) throw new Error(`the proxy failed: ${fault}`);
    for (const { sni, host } of this.#backends.received) {
      // TLS that isn't begun for the cluster is the client's own.
      const isOwn = clusterAt(this.clusters, host, report)?.tls === undefined;
      if (sni !== undefined && isOwn && sni !== servername)
        throw new Error(`the backend was asked for ${sni}, and the client asked for ${servername}`);
    }
  }

  async close(): Promise<void> {
    await this.#sidecar.close();
    this.#backends.close();
  }

  async #start(): Promise<void> {
    const { configuration, secrets, certificates } = this.#staged;
    const { scope, mesh } = configuration.named.snapshot;
    const given = new GivenSecrets();
    const own = `${mesh.trustDomain}/ns/${scope.namespace}/sa/proxy`;
    const { cert: certificate, key, ca: authorities } = certificates.workload(own);
    given.replace({ ...secrets, workload: { certificate, key, authorities } });
    this.#sidecar = await createSidecar({
      scopes: [scope],
      fronts:
        scope.type === 'gateway' ? [{ kind: 'gateway', host: LOCAL.host, portOf: () => 0 }] : [],
      app: this.#backends.app,
      log: (line) => this.#lines.push(line),
      secrets: given,
      proxyProtocol: 'required',
      hooks: {
        uniform: () => this.#draw,
        addressOf: (target) => this.#backends.addressOf(target),
        observe: (x) => {
          this.#last = x;
        },
      },
    });
    try {
      await this.#sidecar.listen();
      await this.#sidecar.apply(scope.type, configuration);
      await this.#sidecar.settled();
    } catch (error) {
      await this.#sidecar.close();
      throw error;
    }
  }

  /** Undefined = nothing listens there. */
  async #portFor(request: CaseRequest): Promise<number | undefined> {
    const setting = this.#settingFor(request);
    if (setting === undefined)
      return this.#sidecar.listening().find(({ listenerPort }) => listenerPort === portOf(request))
        ?.port;
    const name = JSON.stringify(setting);
    let port = this.#ports.get(name);
    if (port === undefined) {
      await this.#sidecar.open(setting);
      port = this.#sidecar.listening().at(-1)?.port;
      if (port !== undefined) this.#ports.set(name, port);
    }
    return port;
  }

  /** A gateway's ports are its configuration's. */
  #settingFor(request: CaseRequest): FrontSetting | undefined {
    const { type } = this.#staged.configuration.named.snapshot.scope;
    if (type === 'gateway') return undefined;
    const port = portOf(request);
    if (type === 'sidecar-inbound') return { kind: 'inbound', at: LOCAL, listenerPort: port };
    return isByProxy(request)
      ? { kind: 'proxy', at: LOCAL }
      : { kind: 'service', at: LOCAL, host: request.host ?? '', port };
  }

  #wayOf(request: CaseRequest): Omit<Way, 'port'> {
    const { type } = this.#staged.configuration.named.snapshot.scope;
    const tls = this.#tls(request);
    const port = portOf(request);
    // Who calls a proxy of its own needs none to say whom it stands for.
    if (type === 'sidecar-outbound' && isByProxy(request)) {
      const tunnel = tls === undefined ? undefined : `${nameOf(request)}:${port}`;
      return { preface: undefined, tunnel, tls };
    }
    const source = { ...CLIENT, ip: request.peer?.ip ?? CLIENT.ip };
    const preface = writeProxyHeader(2, source, { ip: LOCAL.host, port });
    return { preface, tunnel: undefined, tls };
  }

  #tls(request: CaseRequest): ConnectionOptions | undefined {
    if (!isSecure(request)) return undefined;
    const { certificates, configuration } = this.#staged;
    const { principal } = request.peer ?? {};
    const sni = request.tls?.sni ?? nameOf(request);
    const shown =
      principal === undefined
        ? request.tls?.mutual === true && certificates.client()
        : certificates.workload(principal);
    // Proxies of the mesh are told apart from applications by this name.
    const mesh = configuration.named.snapshot.scope.type === 'sidecar-inbound' ? ['istio'] : [];
    const spoken = isTcp(request) ? [] : [isGrpc(request) ? 'h2' : 'http/1.1'];
    return {
      ...(shown === false ? {} : { cert: shown.cert, key: shown.key }),
      ...(DNS_NAME.test(sni) ? { servername: sni } : {}),
      ALPNProtocols: [...mesh, ...spoken],
    };
  }

  /** Copies are sent beside the response, and a connection is logged when both its sides have ended. */
  async #settle(): Promise<void> {
    await until(() => this.#lines.length > 0, LINE_MS);
    const copies = this.#last?.mirrors.length ?? 0;
    const { received } = this.#backends;
    if (received.length > 0) await until(() => received.length > copies, COPIES_MS);
  }

  #report(): ExchangeReport {
    if (this.#last !== undefined) return reportOf(this.#last);
    const { policy = '', cluster, flags = '' } = JSON.parse(this.#lines[0] ?? '{}') as Line;
    return { policy, flags, close: true, ...(cluster === undefined ? {} : { cluster }) };
  }
}

const nameOf = ({ host = '' }: CaseRequest): string => host.replace(/:\d+$/, '');

/** An HTTP proxy is told the port by a tunnel or by Host, else it is 80: for others the service has a port of its own. */
function isByProxy(request: CaseRequest): boolean {
  if (isTcp(request)) return false;
  const port = portOf(request);
  return isSecure(request) || port === 80 || request.host?.endsWith(`:${port}`) === true;
}
