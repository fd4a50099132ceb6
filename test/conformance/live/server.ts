/** The world around a gateway under test, on one loopback port: a stub control plane, and every backend. */
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Delivery } from '../../fixtures/delivery.ts';
import { answerPull } from '../../fixtures/delivery.ts';

/** What a backend received. */
export interface Received {
  /** Of the address that was dialled, without port. */
  readonly host: string;
  readonly method: string;
  readonly target: string;
  /** Of the TLS that it came by, where the backend can tell; absent = it came plain. */
  readonly sni?: string;
  /** As the backend was told it. */
  readonly authority: string | undefined;
  /** Without Host. */
  readonly headers: readonly (readonly [string, string])[];
}

export interface World {
  readonly port: number;
  /** By the name of its scope. */
  deliver(name: string, configuration: Delivery): void;
  /** What backends received under an id, so far. */
  received(id: string): readonly Received[];
  forget(id: string): void;
  /** Reasons of configurations that were not taken, by scope name. */
  readonly refusals: ReadonlyMap<string, string>;
  close(): Promise<void>;
}

export const ID_HEADER = 'x-lateen-test-id';
export const QUESTION_HEADER = 'x-lateen-test';
export const CONTROL_HOST = 'control.test';
/** Fields that the way to and from the worker adds. */
const TRANSPORT: ReadonlySet<string> = new Set([
  'host',
  'cf-connecting-ip',
  'cf-ray',
  'cf-visitor',
  'cf-worker',
  ID_HEADER,
  QUESTION_HEADER,
]);

async function readText(request: IncomingMessage): Promise<string> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(Buffer.from(chunk as Uint8Array));
  return Buffer.concat(chunks).toString('utf8');
}

class Surroundings implements World {
  readonly #server: Server;
  readonly #configurations = new Map<string, Delivery>();
  readonly #received = new Map<string, Received[]>();
  readonly refusals = new Map<string, string>();

  constructor() {
    this.#server = createServer((request, response) => {
      const host = (request.headers.host ?? '').replace(/:\d+$/, '');
      if (host === CONTROL_HOST) void this.#control(request, response);
      else void this.#backend(host, request, response);
    });
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => {
      this.#server.listen(0, '127.0.0.1', resolve);
    });
    return this;
  }

  deliver(name: string, configuration: Delivery): void {
    this.#configurations.set(name, configuration);
  }

  received(id: string): readonly Received[] {
    return this.#received.get(id) ?? [];
  }

  forget(id: string): void {
    this.#received.delete(id);
  }

  async close(): Promise<void> {
    this.#server.closeAllConnections();
    await new Promise((resolve) => {
      this.#server.close(resolve);
    });
  }

  async #control(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const [, , , , , name = '', verb = ''] = (request.url ?? '')
      .split('/')
      .map((part) => decodeURIComponent(part));
    const body = await readText(request);
    const known = this.#configurations.get(name);
    if (verb === 'ack') {
      const ack = JSON.parse(body) as { ok: boolean; diagnostics: readonly { message: string }[] };
      if (!ack.ok) this.refusals.set(name, ack.diagnostics[0]?.message ?? 'refused');
    }
    // Keys are what the case delivered: a gateway that asks for newer ones gets no others.
    if (known === undefined || verb === 'ack' || verb === 'keys') {
      response.writeHead(known === undefined ? 404 : 204).end();
      return;
    }
    response.setHeader('content-type', 'application/json');
    const answer = answerPull(known, verb, body);
    response.writeHead(answer === undefined ? 404 : 200).end(answer);
  }

  async #backend(host: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
    await readText(request);
    const id = String(request.headers[ID_HEADER] ?? '');
    const headers = request.rawHeaders
      .flatMap((name, index, all): [string, string][] =>
        index % 2 === 0 ? [[name.toLowerCase(), all[index + 1] ?? '']] : [],
      )
      .filter(([name]) => !TRANSPORT.has(name));
    // A Worker's fetch writes the Host field itself.
    const authority = headers.find(([name]) => name === 'x-forwarded-host')?.[1];
    const list = this.#received.get(id) ?? [];
    const { method = '', url: target = '' } = request;
    list.push({ host, method, target, authority, headers });
    this.#received.set(id, list);
    response.end();
  }
}

export async function startWorld(): Promise<World> {
  return new Surroundings().listen();
}
