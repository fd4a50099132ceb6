/** One question to every plane: the engine over each head, the Node adapter over sockets, a gateway worker in workerd. */
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { createFakeHost } from '../../src/host/fake-host.ts';
import { compile } from '../../src/config/compile/index.ts';
import { readConfig } from '../../src/config/pipeline.ts';
import { WebRequestHead } from '../../src/drivers/web-head.ts';
import { HeadFault, RawRequestHead, parseRequest } from '../../src/http1/index.ts';
import { Http2RequestHead, makeField } from '../../src/http2/index.ts';
import { RequestHeaderList, ResponseHeaderList } from '../../src/lib/header-list.ts';
import type { HeaderBlock, RequestHead } from '../../src/model/head.ts';
import type { PathNormalization } from '../../src/model/snapshot.ts';
import { kinds, policyCompilers } from '../../src/presets/control.ts';
import { filters } from '../../src/presets/node.ts';
import { createEngine, link } from '../../src/proxy/index.ts';
import type { LinkedSnapshot } from '../../src/proxy/index.ts';
import { endServer, listen, startGateway, startStubControl } from '../fixtures/gateway.ts';
import { gatewayBefore, gatewayScope, rawClient, startTestProxy } from '../fixtures/node-proxy.ts';
import { referenceStream } from '../fixtures/reference-parser.ts';

export type Fields = readonly (readonly [name: string, value: string])[];

export interface Question {
  /** @default GET */
  readonly method?: string;
  readonly target: string;
  /** Host as sent. @default deny.test */
  readonly host?: string;
  /** In the order in which they are sent, names as they are sent. */
  readonly fields?: Fields;
}

export interface Outcome {
  /** What the client got; 200 where it was forwarded. */
  readonly status: number;
  /** What the backend saw; absent = nothing. */
  readonly seen?: { readonly target: string; readonly host: string; readonly fields: Fields };
  /** What the client read, where it was refused. */
  readonly body: string;
  /** Lines of the access log, as they were written. */
  readonly lines: readonly string[];
}

export interface Plane {
  readonly name: string;
  /** Repeated fields stand apart. */
  readonly tellsRepeats: boolean;
  ask(question: Question): Promise<Outcome>;
  close(): Promise<void>;
}

export const settings = (mode: PathNormalization): string => `
apiVersion: v1
kind: ConfigMap
metadata: {name: istio, namespace: istio-system}
data:
  mesh: |
    pathNormalization: {normalization: ${mode}}
`;

const linesOf = ({ host = 'deny.test', fields = [] }: Question): Fields => [
  ['Host', host],
  ...fields,
];

const requestText = (question: Question, extra: Fields = []): string => {
  const { method = 'GET', target } = question;
  const lines = [...linesOf(question), ...extra].map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${target} HTTP/1.1\r\n${lines.join('')}\r\n`;
};

type MakeHead = (question: Question) => RequestHead | HeadFault;

/** Every implementation of the header port; `web` parses targets as fetch does. */
export const heads: Readonly<Record<string, MakeHead>> = {
  list: ({ method = 'GET', target, host = 'deny.test', fields = [] }) =>
    new RequestHeaderList({ method, scheme: 'http', authority: host, target }, fields),
  'http1 bytes': (question) => {
    const head = parseRequest(requestText(question));
    if (head instanceof RawRequestHead || head instanceof HeadFault) return head;
    throw new Error('the head is not whole');
  },
  'http2 fields': ({ method = 'GET', target, host = 'deny.test', fields = [] }) =>
    new Http2RequestHead(
      {
        method,
        scheme: 'http',
        authority: host,
        target,
        protocol: '',
        hasBody: false,
        contentLength: -1,
      },
      fields.map(([name, value]) => makeField(name.toLowerCase(), value)),
    ),
  'web headers': ({ method = 'GET', target, host = 'deny.test', fields = [] }) => {
    try {
      const headers = new Headers();
      for (const [name, value] of fields) headers.append(name, value);
      const url = target.startsWith('/') ? `http://${host}${target}` : target;
      return new WebRequestHead(new Request(url, { method, headers }), host, true);
    } catch {
      return new HeadFault(400, 'the runtime refuses it');
    }
  },
};

function fieldsOf(head: HeaderBlock): Fields {
  const fields: [string, string][] = [];
  head.forEach((name, value) => fields.push([name, value]));
  return fields;
}

function linkedFrom(yaml: string): LinkedSnapshot {
  const { resources, diagnostics } = readConfig([{ file: 'test', text: yaml }], { kinds });
  const fault = diagnostics.find(({ level }) => level === 'error');
  if (fault !== undefined) throw new Error(fault.message);
  const compiled = compile(
    { resources: resources.map(({ resource }) => resource), scope: gatewayScope },
    policyCompilers,
  );
  const options = { host: createFakeHost(), filters };
  return link(compiled.named, compiled.endpoints, { version: '', sets: {} }, options);
}

async function askEngine(linked: LinkedSnapshot, head: RequestHead): Promise<Outcome> {
  const host = createFakeHost();
  const engine = createEngine({ host });
  const x = engine.begin({ linked, head, peer: { ip: '192.0.2.9' }, port: 80 });
  let step = engine.onRequest(x);
  while (step === 'wait') {
    await x.waiting;
    step = engine.resume(x);
  }
  if (step !== 'forward') {
    engine.onEnd(x);
    const { status = 0, body = '' } = x.reply ?? {};
    return { status, body: typeof body === 'string' ? body : '', lines: host.lines };
  }
  const seen = { target: x.upstreamTarget, host: x.upstreamAuthority, fields: fieldsOf(head) };
  engine.onResponse(x, new ResponseHeaderList(200, []));
  engine.onEnd(x);
  return { status: 200, seen, body: '', lines: host.lines };
}

/** The engine alone, over one of the heads. @param policies further resources, in YAML */
export function purePlane(name: string, policies: string): Plane {
  const make = heads[name];
  if (make === undefined) throw new Error(`there is no head ${name}`);
  const linked = linkedFrom(`${gatewayBefore(80)}---\n${policies}`);
  return {
    name,
    tellsRepeats: name !== 'web headers',
    async ask(question) {
      const head = make(question);
      return head instanceof HeadFault
        ? { status: head.status, body: '', lines: [] }
        : askEngine(linked, head);
    },
    close: () => Promise.resolve(),
  };
}

/** Takes every request to the letter and answers 200. */
async function startRecorder(): Promise<{
  readonly port: number;
  take(): string;
  close(): Promise<void>;
}> {
  let received = '';
  const server = createServer((socket) => {
    let text = '';
    let answered = 0;
    socket.on('error', () => undefined);
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1');
      received += chunk.toString('latin1');
      const { messages } = referenceStream(text);
      for (; answered < messages.length; answered++)
        socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  const address = server.address();
  return {
    port: typeof address === 'object' && address !== null ? address.port : 0,
    take() {
      const text = received;
      received = '';
      return text;
    },
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
      }),
  };
}

function seenIn(text: string): Outcome['seen'] {
  if (text === '') return undefined;
  const [line = '', ...rest] = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n');
  const fields = rest.map((one): [string, string] => {
    const colon = one.indexOf(':');
    return [one.slice(0, colon).toLowerCase(), one.slice(colon + 1).trim()];
  });
  return {
    target: line.split(' ')[1] ?? '',
    host: fields.find(([name]) => name === 'host')?.[1] ?? '',
    fields: fields.filter(([name]) => name !== 'host'),
  };
}

const CLOSE: Fields = [['Connection', 'close']];

/** A server ends the connection, as it is asked to; one that is asked something else of it is left. */
async function answerOf(
  port: number,
  question: Question,
): Promise<{ status: number; body: string }> {
  const hasConnection = question.fields?.some(([name]) => /^connection$/i.test(name)) === true;
  const client = rawClient(port);
  client.write(requestText(question, hasConnection ? [] : CLOSE));
  const text = hasConnection ? await client.until(/\r\n\r\n/) : await client.closed;
  client.socket.destroy();
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(text)?.[1] ?? 0);
  return { status, body: text.slice(text.indexOf('\r\n\r\n') + 4) };
}

/** The Node adapter, from a socket to a socket. */
export async function nodePlane(policies: string): Promise<Plane> {
  const recorder = await startRecorder();
  const proxy = await startTestProxy({ yaml: `${gatewayBefore(recorder.port)}---\n${policies}` });
  return {
    name: 'node',
    tellsRepeats: true,
    async ask(question) {
      recorder.take();
      proxy.lines.splice(0);
      const answer = await answerOf(proxy.port, question);
      const seen = seenIn(recorder.take());
      return {
        ...answer,
        ...(seen === undefined ? {} : { seen }),
        lines: [...proxy.lines],
      };
    },
    async close() {
      await proxy.close();
      await recorder.close();
    },
  };
}

/** A gateway worker; what the platform refuses by itself never reaches it. */
export async function workerdPlane(policies: string): Promise<Plane> {
  let seen: Outcome['seen'];
  const backend = createHttpServer((request, response) => {
    const fields: [string, string][] = [];
    for (let i = 0; i < request.rawHeaders.length; i += 2)
      fields.push([(request.rawHeaders[i] ?? '').toLowerCase(), request.rawHeaders[i + 1] ?? '']);
    const host = fields.find(([name]) => name === 'x-forwarded-host')?.[1] ?? '';
    seen = {
      target: request.url ?? '',
      host,
      fields: fields.filter(([name]) => name !== 'host' && !name.startsWith('cf-')),
    };
    response.end();
  });
  const port = await listen(backend);
  const control = await startStubControl();
  control.serve(`${gatewayBefore(port)}---\n${policies}`, gatewayScope);
  const gateway = await startGateway(control, { inbound: gatewayScope });
  const own = Number(new URL(gateway.url).port);
  return {
    name: 'workerd',
    tellsRepeats: false,
    async ask(question) {
      seen = undefined;
      const answer = await answerOf(own, question);
      return { ...answer, ...(seen === undefined ? {} : { seen }), lines: [] };
    },
    async close() {
      await gateway.close();
      await control.close();
      await endServer(backend);
    },
  };
}
