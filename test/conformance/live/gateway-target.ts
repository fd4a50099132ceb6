/** Runs cases through gateway workers in workerd, with backends that report what they received. */
import { compile } from '../../../src/config/compile/index.ts';
import { bySpecificity, covers } from '../../../src/config/compile/names.ts';
import type { CompileResult } from '../../../src/model/config.ts';
import type { ProxyScope } from '../../../src/model/snapshot.ts';
import { policyCompilers } from '../../../src/presets/control.ts';
import { bundleWorker } from '../../../workers/build.ts';
import { startLocalWorkers } from '../../../workers/local.ts';
import type { LocalWorkers } from '../../../workers/local.ts';
import type { FrontQuestion, FrontReport } from '../../../workers/test-front.ts';
import type { CaseRequest, Check, ConformanceCase } from '../cases.ts';
import type { Answer, Target } from '../pure-target.ts';
import { admitCase, keysFor, scopeOf } from '../pure-target.ts';
import type { Minter } from '../tokens.ts';
import { deliveryOf, packed } from '../../fixtures/delivery.ts';
import { withReadyServices } from '../gateway-api.ts';
import { placeToken } from '../tokens.ts';
import { readCapabilities } from './capabilities.ts';
import type { Capabilities } from './capabilities.ts';
import { exchange } from './exchange.ts';
import type { Fields } from './report.ts';
import {
  APP_HOST,
  QUESTION_HEADER,
  REPORT_HEADER,
  clusterAt,
  describe,
  targetFields,
} from './report.ts';
import type { World } from './server.ts';
import { CONTROL_HOST, ID_HEADER, startWorld } from './server.ts';

const TOKEN = 'conformance';
/** Draws that stand for all of [0, 1). */
const SPLIT_DRAWS = 100;
const MIRROR_DRAWS = 200;
const MIRROR_WAIT_MS = 500;
interface Prepared {
  readonly scope: ProxyScope;
  readonly compiled: CompileResult;
}

const encode = (value: unknown): string => btoa(encodeURIComponent(JSON.stringify(value)));
const decode = (text: string): unknown => JSON.parse(decodeURIComponent(atob(text)));
const pause = (ms: number): Promise<void> =>
  new Promise((wake) => {
    setTimeout(wake, ms);
  });

class GatewayTarget implements Target {
  readonly #world: World;
  readonly #workers: LocalWorkers;
  readonly #port: number;
  readonly #capabilities: Capabilities;
  readonly #nowMs: number;
  #count = 0;

  constructor(parts: {
    readonly world: World;
    readonly workers: LocalWorkers;
    readonly port: number;
    readonly capabilities: Capabilities;
    readonly nowMs: number;
  }) {
    this.#world = parts.world;
    this.#workers = parts.workers;
    this.#port = parts.port;
    this.#capabilities = parts.capabilities;
    this.#nowMs = parts.nowMs;
  }

  async decide(entry: ConformanceCase, minter: Minter): Promise<readonly Answer[]> {
    if (entry.proxy === undefined) return [];
    const prepared = this.#prepare(entry, minter);
    const answers: Answer[] = [];
    for (const [index, check] of (entry.checks ?? []).entries()) {
      const limit = this.#capabilities.limitOf(entry.id, index, check);
      if (limit !== undefined && limit.expect === undefined) answers.push({ skip: limit.reason });
      else if (isCarried(prepared, check.request ?? {}))
        answers.push({ skip: this.#capabilities.connections });
      else
        answers.push({
          ...(await this.#answer(prepared, check, minter)),
          ...(limit?.expect === undefined ? {} : { expect: limit.expect }),
        });
    }
    return answers;
  }

  async close(): Promise<void> {
    await this.#workers.close();
    await this.#world.close();
  }

  async #answer(prepared: Prepared, check: Check, minter: Minter): Promise<Answer> {
    const request = await placeToken(check.request ?? {}, minter);
    try {
      const fields = await this.#ask(prepared, request, check);
      const refusal = this.#world.refusals.get(prepared.scope.name);
      if (refusal !== undefined) return { fault: `the gateway refused the snapshot: ${refusal}` };
      return { fields, omit: this.#capabilities.fields };
    } catch (error) {
      return { fault: error instanceof Error ? error.message : String(error) };
    }
  }

  #prepare(entry: ConformanceCase, minter: Minter): Prepared {
    const resources = admitCase(entry, minter).resources.map(({ resource }) => resource);
    const given = scopeOf(entry.proxy as NonNullable<ConformanceCase['proxy']>);
    const compiled = compile({ resources, scope: given }, policyCompilers);
    const { sets } = keysFor(compiled.jwksUris, minter, this.#nowMs);
    const { snapshot } = compiled.named;
    const endpoints = withReadyServices(compiled.endpoints, resources);
    this.#world.deliver(entry.id, deliveryOf(packed(snapshot, endpoints.clusters), sets));
    return { compiled, scope: { ...given, name: entry.id } };
  }

  async #ask(prepared: Prepared, request: CaseRequest, check: Check): Promise<Fields> {
    const draw = request.random ?? 0.5;
    const { expect } = check;
    const mirrors = (expect['mirrors'] ?? []) as readonly { readonly percent?: number }[];
    if (mirrors.some(({ percent = 100 }) => percent < 100)) {
      const fields = await this.#once(prepared, request, { draw, expect: {} });
      return { ...fields, mirrors: await this.#mirrorShares(prepared, request) };
    }
    const fields = await this.#once(prepared, request, { draw, expect });
    if (expect['split'] === undefined) return fields;
    const counts: Record<string, number> = {};
    const answers: Fields[] = [];
    for (let index = 0; index < SPLIT_DRAWS; index++) {
      const draws = { draw: (index + 0.5) / SPLIT_DRAWS, expect: {} };
      answers.push(await this.#once(prepared, request, draws));
    }
    const services = new Set(answers.map((answer) => answer['service']));
    for (const answer of answers) {
      const key = shareKey(answer, services.size > 1);
      counts[String(key)] = (counts[String(key)] ?? 0) + 100 / SPLIT_DRAWS;
    }
    return { ...fields, split: counts };
  }

  /** Copies are sent beside the response. */
  async #awaitReceived(id: string, count: number): Promise<void> {
    const untilMs = Date.now() + MIRROR_WAIT_MS;
    while (this.#world.received(id).length < count && Date.now() < untilMs) await pause(10);
  }

  /** The share of requests that each mirror gets a copy of, in percent. */
  async #mirrorShares(prepared: Prepared, request: CaseRequest): Promise<readonly Fields[]> {
    const kept = new Map<string, FrontReport>();
    for (let index = 0; index < MIRROR_DRAWS; index++)
      await this.#once(prepared, request, { draw: (index + 0.5) / MIRROR_DRAWS, expect: {}, kept });
    await pause(MIRROR_WAIT_MS / 5);
    const { clusters } = prepared.compiled.named.snapshot;
    const counts = new Map<string, number>();
    for (const [id, report] of kept) {
      for (const { host } of this.#world.received(id))
        if (clusterAt(clusters, host, report)?.name !== report.cluster)
          counts.set(host, (counts.get(host) ?? 0) + 1);
      this.#world.forget(id);
    }
    const [report] = kept.values();
    return [...counts].map(([host, count]) => ({
      ...(report === undefined ? {} : targetFields(clusterAt(clusters, host, report))),
      percent: (100 * count) / MIRROR_DRAWS,
    }));
  }

  async #once(
    prepared: Prepared,
    request: CaseRequest,
    asked: {
      readonly draw: number;
      readonly expect: Fields;
      /** Takes the report; what backends received is then not forgotten. */
      readonly kept?: Map<string, FrontReport>;
    },
  ): Promise<Fields> {
    const { draw, expect, kept } = asked;
    const id = String(++this.#count);
    const question = questionOf(prepared.scope, request, draw);
    const extra = [ID_HEADER, id, QUESTION_HEADER, encode(question)];
    const response = await exchange(this.#port, request, extra);
    const text = response.headers[REPORT_HEADER];
    if (text === undefined)
      throw new Error(`the front answered ${response.status} without a report: ${response.body}`);
    const report = decode(text) as FrontReport;
    const wanted = ((expect['mirrors'] as unknown[] | undefined) ?? []).length;
    if (wanted > 0) await this.#awaitReceived(id, wanted + 1);
    const received = this.#world.received(id);
    if (kept === undefined) this.#world.forget(id);
    else kept.set(id, report);
    return describe(prepared.compiled.named.snapshot.clusters, { response, report, received });
  }
}

/** Does the listener carry the connection without reading it? */
function isCarried({ compiled }: Prepared, { port, scheme, tls, host }: CaseRequest): boolean {
  const number = port ?? (scheme === 'https' ? 443 : 80);
  const name = tls?.sni ?? (host ?? '').replace(/:\d+$/, '');
  const taking = compiled.named.snapshot.listeners
    .filter((listener) => listener.port === number)
    .map((listener) => ({
      listener,
      names: (listener.serverNames ?? ['*']).filter((one) => covers(one, name)).sort(bySpecificity),
    }))
    .filter(({ names }) => names.length > 0)
    .sort((a, b) => bySpecificity(a.names[0] ?? '', b.names[0] ?? ''));
  const protocol = taking[0]?.listener.protocol;
  return protocol === 'TLS' || protocol === 'TCP';
}

/** By service, or by subset where there is one service; what was answered by its status. */
function shareKey(answer: Fields, byService: boolean): unknown {
  if (answer['outcome'] === 'respond') {
    const headers = (answer['responseHeaders'] ?? {}) as Readonly<Record<string, string>>;
    const grpc = headers['grpc-status'];
    return grpc === undefined ? answer['status'] : `grpc-${grpc}`;
  }
  return byService ? answer['service'] : (answer['subset'] ?? answer['service']);
}

function questionOf(scope: ProxyScope, request: CaseRequest, random: number): FrontQuestion {
  const scheme = request.scheme ?? 'http';
  const isTls = scheme === 'https' || request.tls !== undefined;
  const sni = request.tls?.sni ?? (request.host ?? '').replace(/:\d+$/, '');
  const principal = request.peer?.principal;
  return {
    token: TOKEN,
    scope,
    scheme,
    port: request.port ?? (scheme === 'https' ? 443 : 80),
    random,
    peer: {
      ip: request.peer?.ip ?? '192.0.2.1',
      ...(principal === undefined ? {} : { principal }),
      mutual: request.tls?.mutual === true || principal !== undefined,
      ...(isTls ? { tls: { sni, mutual: request.tls?.mutual === true } } : {}),
    },
  };
}

export interface LiveOptions {
  readonly nowMs: number;
  readonly capabilitiesFile: string;
}

export async function createGatewayTarget(options: LiveOptions): Promise<Target> {
  const world = await startWorld();
  const workers = await startLocalWorkers({
    workers: [
      {
        name: 'front',
        script: await bundleWorker('workers/test-front.ts'),
        vars: {
          TEST_TOKEN: TOKEN,
          PROXY_TOKEN: TOKEN,
          CONTROL_URL: `http://${CONTROL_HOST}`,
          APP_URL: `http://${APP_HOST}`,
        },
        outboundAddress: `127.0.0.1:${world.port}`,
        sockets: [{ port: 0 }],
      },
    ],
  });
  return new GatewayTarget({
    world,
    workers,
    port: Number(new URL(await workers.url('front')).port),
    capabilities: readCapabilities(options.capabilitiesFile, 'gateway'),
    nowMs: options.nowMs,
  });
}
