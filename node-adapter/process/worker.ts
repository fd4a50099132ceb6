/** One process' share of a proxy: the sockets that it was lent, and the connections that came by them. */
import type { IssuedToken } from '../../src/model/identity.ts';
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { ProxyScope } from '../../src/model/snapshot.ts';
import { clustersView } from '../admin/dump.ts';
import type { ClusterView } from '../admin/dump.ts';
import { prometheusText } from '../admin/stats.ts';
import type { PublicKey } from '../config/source.ts';
import type { ListenAt } from '../listening.ts';
import type { Applied, Configuration } from '../plane.ts';
import { GivenSecrets } from '../secrets.ts';
import { createSidecar } from '../sidecar.ts';
import type { FrontSetting } from '../front-setting.ts';
import type { Listening, Sidecar } from '../sidecar.ts';
import type { BoundHandle } from './handles.ts';
import { gatewayPort } from './setup.ts';
import type { FrontPlan, WorkerSetup } from './setup.ts';

/** Who owns the sockets and asks for configuration. */
export interface WorkerOwner {
  /** @throws ListenError */
  handleFor(host: string, port: number): Promise<ListenAt>;
  refreshKeys(scope: ProxyScope, uri: string, kid: string): Promise<void>;
  issueToken(key: PublicKey): Promise<IssuedToken>;
  log(line: string): void;
}

/** In this process, or in another. */
export interface Worker {
  /** @throws LinkError or ChannelError: what was in force stays */
  configure(type: ProxyScope['type'], configuration: Configuration): Promise<Applied>;
  setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): Promise<void>;
  /** @throws Error of the system when a port can't be had */
  open(plans: readonly FrontPlan[]): Promise<void>;
  listening(): Promise<readonly Listening[]>;
  clusters(): Promise<readonly ClusterView[]>;
  /** In Prometheus' text format. */
  stats(): Promise<string>;
  setAccessLog(isOn: boolean): Promise<void>;
  /** Connections that were cut at the deadline. */
  drain(deadlineMs: number): Promise<number>;
  close(): Promise<void>;
}

/** Clients that come back within it are told that their connection ends, before one that idles is closed under them. */
const COMING_BACK_MS = 2000;
const POLL_MS = 10;

export class LocalWorker implements Worker {
  readonly #sidecar: Sidecar;
  readonly #owner: WorkerOwner;
  readonly #accessLog: { isOn: boolean };
  readonly #secrets: GivenSecrets;
  readonly #lent = new Set<BoundHandle>();

  private constructor(
    sidecar: Sidecar,
    owner: WorkerOwner,
    own: { readonly accessLog: { isOn: boolean }; readonly secrets: GivenSecrets },
  ) {
    this.#sidecar = sidecar;
    this.#owner = owner;
    this.#accessLog = own.accessLog;
    this.#secrets = own.secrets;
  }

  static async create(setup: WorkerSetup, owner: WorkerOwner): Promise<LocalWorker> {
    const own = { accessLog: { isOn: setup.accessLog }, secrets: new GivenSecrets() };
    const { app, limits, maxConnections, upgrades, identity } = setup;
    const sidecar = await createSidecar({
      scopes: setup.scopes,
      fronts: [],
      ...(app === undefined ? {} : { app }),
      ...(limits === undefined ? {} : { limits }),
      ...(maxConnections === undefined ? {} : { maxConnections }),
      ...(upgrades === undefined ? {} : { upgrades }),
      ...(identity === undefined ? {} : { identity }),
      log: (line) => owner.log(line),
      accessLog: own.accessLog,
      secrets: own.secrets,
      refreshKeys: (scope, uri, kid) => owner.refreshKeys(scope, uri, kid),
      issueToken: (key) => owner.issueToken(key),
    });
    return new LocalWorker(sidecar, owner, own);
  }

  get sidecar(): Sidecar {
    return this.#sidecar;
  }

  async configure(type: ProxyScope['type'], configuration: Configuration): Promise<Applied> {
    const applied = await this.#sidecar.apply(type, configuration);
    await this.#sidecar.settled();
    return applied;
  }

  async setSecrets(secrets: Readonly<Record<string, SecretMaterial>>): Promise<void> {
    this.#secrets.replace(secrets);
  }

  async open(plans: readonly FrontPlan[]): Promise<void> {
    for (const plan of plans) await this.#sidecar.open(await this.#settingOf(plan));
  }

  async listening(): Promise<readonly Listening[]> {
    await this.#sidecar.settled();
    return this.#sidecar.listening();
  }

  async clusters(): Promise<readonly ClusterView[]> {
    return clustersView(this.#sidecar).clusters;
  }

  async stats(): Promise<string> {
    return prometheusText(this.#sidecar);
  }

  async setAccessLog(isOn: boolean): Promise<void> {
    this.#accessLog.isOn = isOn;
  }

  async drain(deadlineMs: number): Promise<number> {
    const sidecar = this.#sidecar;
    const untilMs = Date.now() + deadlineMs;
    const announcedMs = Math.min(COMING_BACK_MS, deadlineMs / 2) + Date.now();
    for (const handle of this.#lent) handle.close();
    sidecar.announceEnd();
    while (sidecar.connections > 0 && Date.now() < announcedMs)
      await new Promise((resolve) => {
        setTimeout(resolve, POLL_MS);
      });
    await sidecar.drain(Math.max(0, untilMs - Date.now()));
    const cut = sidecar.connections;
    await sidecar.close();
    return cut;
  }

  async close(): Promise<void> {
    await this.#sidecar.close();
  }

  async #handleFor(host: string, port: number): Promise<ListenAt> {
    const at = await this.#owner.handleFor(host, port);
    if ('handle' in at) this.#lent.add(at.handle as BoundHandle);
    return at;
  }

  async #settingOf(plan: FrontPlan): Promise<FrontSetting> {
    if (plan.kind === 'gateway')
      return {
        kind: 'gateway',
        host: plan.host,
        portOf: (port) => gatewayPort(plan, port),
        handleFor: (host, port) => this.#handleFor(host, port),
      };
    const at = await this.#handleFor(plan.host, plan.port);
    switch (plan.kind) {
      case 'inbound':
        return { kind: 'inbound', at, listenerPort: plan.listenerPort };
      case 'service':
        return { kind: 'service', at, host: plan.service, port: plan.servicePort };
      case 'proxy':
        return { kind: 'proxy', at };
      default:
        return plan satisfies never;
    }
  }
}
