/** Runs cases through gateway workers in workerd, with backends that report what they received. */
import { compile } from '../../../src/config/compile/index.ts';
import { bySpecificity, covers } from '../../../src/config/compile/names.ts';
import type { CompileResult } from '../../../src/model/config.ts';
import type { ProxyScope } from '../../../src/model/snapshot.ts';
import { policyCompilers } from '../../../src/presets/control.ts';
import { bundleWorker } from '../../../workers/build.ts';
import { startLocalWorkers } from '../../../workers/local.ts';
import type { LocalWorkers } from '../../../workers/local.ts';
import type { FrontQuestion } from '../../../workers/test-front.ts';
import type { ExchangeReport } from '../../../workers/test-report.ts';
import type { CaseRequest, Check, ConformanceCase } from '../cases.ts';
import type { Answer, Target } from '../pure-target.ts';
import { admitCase, keysFor, scopeOf } from '../pure-target.ts';
import type { Minter } from '../tokens.ts';
import { deliveryOf, packed } from '../../fixtures/delivery.ts';
import { withReadyServices } from '../gateway-api.ts';
import { placeToken } from '../tokens.ts';
import type { Asker } from './ask.ts';
import { ask, pause } from './ask.ts';
import { readCapabilities } from './capabilities.ts';
import type { Capabilities } from './capabilities.ts';
import { exchange } from './exchange.ts';
import { APP_HOST } from './report.ts';
import type { World } from './server.ts';
import { CONTROL_HOST, ID_HEADER, QUESTION_HEADER, startWorld } from './server.ts';

const TOKEN = 'conformance';
const REPORT_HEADER = 'x-lateen-test-report';
/** How a gateway without connections to close says that nobody listens. */
const MISDIRECTED = 421;
const MIRROR_WAIT_MS = 500;

interface Prepared {
  readonly scope: ProxyScope;
  readonly compiled: CompileResult;
}

const encode = (value: unknown): string => btoa(encodeURIComponent(JSON.stringify(value)));
const decode = (text: string): unknown => JSON.parse(decodeURIComponent(atob(text)));

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
      const fields = await ask(this.#asker(prepared), request, check);
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

  #asker({ compiled, scope }: Prepared): Asker {
    return {
      clusters: compiled.named.snapshot.clusters,
      once: async (request, draw, copies) => {
        const id = String(++this.#count);
        const question = questionOf(scope, request, draw);
        const extra = [ID_HEADER, id, QUESTION_HEADER, encode(question)];
        const { status, body, headers } = await exchange(this.#port, request, extra);
        const { [REPORT_HEADER]: text, ...rest } = headers;
        if (text === undefined)
          throw new Error(`the front answered ${status} without a report: ${body}`);
        const report = decode(text) as ExchangeReport;
        if (copies > 0) await this.#awaitReceived(id, copies + 1);
        return {
          response:
            report.close && status === MISDIRECTED ? undefined : { status, body, headers: rest },
          report,
          received: () => this.#world.received(id),
          forget: () => this.#world.forget(id),
        };
      },
    };
  }

  /** Copies are sent beside the response. */
  async #awaitReceived(id: string, count: number): Promise<void> {
    const untilMs = Date.now() + MIRROR_WAIT_MS;
    while (this.#world.received(id).length < count && Date.now() < untilMs) await pause(10);
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
