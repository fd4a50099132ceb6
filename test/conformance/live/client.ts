/** A client of a proxy under test: bytes as a case gives them, over a connection of their own. */
import { connect as connectHttp2 } from 'node:http2';
import type { ClientHttp2Session, ClientHttp2Stream, OutgoingHttpHeaders } from 'node:http2';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { connect as connectSecure } from 'node:tls';
import type { ConnectionOptions } from 'node:tls';
import type { CaseRequest } from '../cases.ts';
import { ECHO } from './backends.ts';
import type { Response } from './exchange.ts';
import { joined } from './exchange.ts';
import type { Message } from './message.ts';
import { readMessage } from './message.ts';

export interface Way {
  readonly port: number;
  /** Written before anything else. */
  readonly preface: Buffer | undefined;
  /** Whom the HTTP proxy that listens there is asked for a tunnel to; undefined = it is spoken to itself. */
  readonly tunnel: string | undefined;
  /** Undefined = plain. */
  readonly tls: ConnectionOptions | undefined;
}

/** Undefined = the connection was refused, or closed without an answer. */
export type Outcome = Response | undefined;

/** Longer than any delay that a case injects. */
const TIMEOUT_MS = 20_000;
/** No HTTP, and no TLS. */
const SOME_BYTES = Buffer.from('\0some bytes');
/** An answer from a backend that speaks no HTTP. */
const CARRIED: Response = { status: 0, headers: {}, body: '' };

export const isTcp = ({ host, path, method }: CaseRequest): boolean =>
  host === undefined && path === undefined && method === undefined;

export const isGrpc = ({ headers = [] }: CaseRequest): boolean =>
  headers.some(
    ([name, value]) =>
      name.toLowerCase() === 'content-type' && value.startsWith('application/grpc'),
  );

/** As a client of the protocol would: gRPC needs HTTP/2. */
export async function askBy(way: Way, request: CaseRequest): Promise<Outcome> {
  const socket = await open(way);
  if (socket === undefined) return undefined;
  try {
    if (isTcp(request)) return await askBytes(socket);
    return isGrpc(request)
      ? await askHttp2(socket, request, way.tls === undefined ? 'http' : 'https')
      : await askHttp1(socket, request);
  } finally {
    socket.destroy();
  }
}

async function open({ port, preface, tunnel, tls }: Way): Promise<Socket | undefined> {
  const plain = await connected(port);
  if (plain === undefined) return undefined;
  if (preface !== undefined) plain.write(preface);
  if (tunnel !== undefined && !(await isGranted(plain, tunnel))) return undefined;
  return tls === undefined ? plain : secured(plain, tls);
}

function connected(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const plain = connect({ host: '127.0.0.1', port, noDelay: true });
    const fail = (): void => resolve(undefined);
    plain.on('error', fail).on('close', fail);
    plain.once('connect', () => resolve(plain));
  });
}

function secured(plain: Socket, tls: ConnectionOptions): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const fail = (): void => resolve(undefined);
    const secure = connectSecure({ ...tls, socket: plain, rejectUnauthorized: false });
    secure.on('error', fail).on('close', fail);
    secure.once('secureConnect', () => resolve(secure));
  });
}

async function isGranted(plain: Socket, host: string): Promise<boolean> {
  const answer = receive(plain, (text) => readMessage(text, true));
  plain.write(`CONNECT ${host} HTTP/1.1\r\nHost: ${host}\r\n\r\n`);
  const message = await answer;
  return message !== undefined && statusOf(message) === 200;
}

/** All that comes, until `read` makes something of it; then nobody reads the socket. */
function receive<T>(socket: Socket, read: (text: string) => T | undefined): Promise<T | undefined> {
  let text = '';
  return new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      socket.off('data', onData).off('end', onOver).off('close', onOver).pause();
    };
    const fail = (reason: string): void => {
      stop();
      reject(new Error(`${reason}: ${JSON.stringify(text)}`));
    };
    const onData = (chunk: Buffer): void => {
      text += chunk.toString('latin1');
      try {
        const outcome = read(text);
        if (outcome === undefined) return;
        stop();
        resolve(outcome);
      } catch {
        fail('no message of HTTP');
      }
    };
    const onOver = (): void => {
      if (text !== '') {
        fail('closed behind a part of an answer');
        return;
      }
      stop();
      resolve(undefined);
    };
    const timer = setTimeout(() => fail(`no answer within ${TIMEOUT_MS} ms`), TIMEOUT_MS);
    socket.on('data', onData).on('end', onOver).on('close', onOver);
  });
}

function askBytes(socket: Socket): Promise<Outcome> {
  const wanted = ECHO + SOME_BYTES.toString('latin1');
  const answer = receive(socket, (text) => (text === wanted ? CARRIED : undefined));
  socket.write(SOME_BYTES);
  return answer;
}

function askHttp1(socket: Socket, request: CaseRequest): Promise<Outcome> {
  const { method = 'GET', path = '/', host, headers = [] } = request;
  const fields = headers.map(([name, value]) => `${name}: ${value}\r\n`).join('');
  const own = host === undefined ? '' : `Host: ${host}\r\n`;
  const answer = receive(socket, (text) => readFinal(text, method === 'HEAD'));
  socket.write(`${method} ${path} HTTP/1.1\r\n${own}${fields}\r\n`);
  return answer;
}

const statusOf = ({ line }: Message): number => Number(/^HTTP\/1\.1 (\d{3})/.exec(line)?.[1]);

/** The response behind those that only inform. */
function readFinal(text: string, isHead: boolean): Response | undefined {
  let rest = text;
  for (;;) {
    const isBodiless = isHead || /^HTTP\/1\.1 (?:1\d\d|204|304)/.test(rest);
    const message = readMessage(rest, isBodiless);
    if (message === undefined) return undefined;
    const status = statusOf(message);
    if (Number.isNaN(status)) throw new Error(`no response: ${message.line}`);
    if (status >= 200)
      return {
        status,
        headers: joined(message.fields),
        body: Buffer.from(message.body, 'latin1').toString('utf8'),
      };
    rest = rest.slice(message.length);
  }
}

function toHttp2(request: CaseRequest, scheme: string): OutgoingHttpHeaders {
  const { method = 'GET', path = '/', host, headers = [] } = request;
  const fields: Record<string, string[]> = {};
  for (const [name, value] of headers) (fields[name.toLowerCase()] ??= []).push(value);
  return {
    ':method': method,
    ':scheme': scheme,
    ':path': path,
    ...(host === undefined ? {} : { ':authority': host }),
    ...Object.fromEntries(
      Object.entries(fields).map(([name, values]) => [
        name,
        values.length === 1 ? values[0] : values,
      ]),
    ),
  };
}

async function askHttp2(socket: Socket, request: CaseRequest, scheme: string): Promise<Outcome> {
  const session = connectHttp2(`${scheme}://proxy.test`, { createConnection: () => socket });
  session.on('error', () => undefined);
  try {
    return await answerOf(session, session.request(toHttp2(request, scheme)));
  } finally {
    session.destroy();
  }
}

function answerOf(session: ClientHttp2Session, stream: ClientHttp2Stream): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error('no answer over HTTP/2')), TIMEOUT_MS);
    let answer: Omit<Response, 'body'> | undefined;
    let body = '';
    stream.on('response', (headers, _flags, raw) => {
      const names = raw as unknown as readonly string[];
      const fields = names.flatMap((name, index): [string, string][] =>
        index % 2 === 0 && !name.startsWith(':') ? [[name, names[index + 1] ?? '']] : [],
      );
      answer = { status: headers[':status'] ?? 0, headers: joined(fields) };
    });
    stream.on('data', (chunk: Buffer) => (body += chunk.toString('utf8')));
    const settle = (outcome: Outcome): void => {
      clearTimeout(timer);
      resolve(outcome);
    };
    stream.on('error', () => undefined);
    stream.on('end', () => settle(answer && { ...answer, body }));
    stream.on('close', () => settle(undefined));
    session.on('close', () => settle(undefined));
    stream.end();
  });
}
