/** What is measured: who runs, under which load, and what the figures are held against. */
import type { Peer } from './contenders.ts';
import { ORIGIN, lastRoute } from './contract.ts';
import type { Credentials, Scene, Work } from './contract.ts';

export interface Entry {
  readonly name: string;
  readonly peer: Peer;
  readonly scene: Scene;
}

export interface Load {
  /** Of bench/load/load.c, or h2load. */
  readonly mode: 'http' | 'paced' | 'new' | 'messages' | 'bulk' | 'h2load';
  readonly connections: number;
  /** Of a run. */
  readonly seconds: number;
  readonly backend: 'answer' | 'echo' | 'sink' | 'http2';
  /** Requests a second, where they are paced. */
  readonly rate?: number;
  /** Bytes. */
  readonly message?: number;
}

export interface Goal {
  /** Names of entries. */
  readonly what: string;
  readonly against: string | readonly string[];
  readonly atMost: number;
}

export interface Scenario {
  readonly title: string;
  readonly unit: string;
  readonly load: Load;
  readonly entries: readonly Entry[];
  readonly goals: readonly Goal[];
}

const entry = (peer: Peer, work: Work, routes = 0, name: string = peer): Entry => ({
  name,
  peer,
  scene: { work, routes },
});

const http2 = (peer: Peer, work: Work, name: string): Entry => ({
  name,
  peer,
  scene: { work, routes: work === 'filters' ? ROUTES : 0, isHttp2: true },
});

const CLOSED: Load = { mode: 'http', connections: 32, seconds: 0.8, backend: 'answer' };
const ROUTES = 1000;
const MANY = 10_000;
const REQUEST = 'us of CPU a request';
const FILTERED = [
  entry('lateen', 'filters', ROUTES),
  entry('nginx', 'bare'),
  entry('nginx', 'filters', ROUTES, 'nginx, comparable'),
  entry('envoy', 'filters', ROUTES, 'envoy, comparable'),
];

export const scenarios: Readonly<Record<string, Scenario>> = {
  routing: {
    title: 'HTTP/1.1, one route, no log',
    unit: REQUEST,
    load: CLOSED,
    entries: [
      entry('lateen', 'bare'),
      entry('nginx', 'bare'),
      entry('haproxy', 'bare'),
      entry('envoy', 'bare'),
      entry('fast-proxy', 'bare'),
      entry('http-proxy-3', 'bare'),
      entry('@fastify/http-proxy', 'bare'),
    ],
    goals: [
      { what: 'lateen', against: 'nginx', atMost: 1.1 },
      {
        what: 'lateen',
        against: ['fast-proxy', 'http-proxy-3', '@fastify/http-proxy'],
        atMost: 0.5,
      },
    ],
  },
  filters: {
    title: `HTTP/1.1, eight filters, ${ROUTES} routes, JSON log`,
    unit: REQUEST,
    load: CLOSED,
    entries: [
      ...FILTERED,
      entry('fast-proxy', 'bare', 0, 'fast-proxy, forwarding only'),
      entry('@fastify/http-proxy', 'bare', 0, '@fastify/http-proxy, forwarding only'),
    ],
    goals: [
      { what: 'lateen', against: 'nginx', atMost: 1.5 },
      { what: 'lateen', against: 'nginx, comparable', atMost: 1.25 },
      { what: 'lateen', against: 'envoy, comparable', atMost: 0.5 },
      {
        what: 'lateen',
        against: ['fast-proxy, forwarding only', '@fastify/http-proxy, forwarding only'],
        atMost: 0.5,
      },
    ],
  },
  'routes-10000': {
    title: 'HTTP/1.1, ten routes and ten thousand, the last one hit',
    unit: REQUEST,
    load: CLOSED,
    entries: [
      entry('lateen', 'routes', MANY, 'lateen, 10,000'),
      entry('lateen', 'routes', 10, 'lateen, 10'),
      entry('nginx', 'routes', MANY, 'nginx, 10,000'),
      entry('nginx', 'routes', 10, 'nginx, 10'),
      entry('haproxy', 'routes', MANY, 'haproxy map, 10,000'),
      entry('envoy', 'routes', MANY, 'envoy list, 10,000'),
      entry('envoy', 'routes', 10, 'envoy list, 10'),
    ],
    goals: [{ what: 'lateen, 10,000', against: 'lateen, 10', atMost: 1.05 }],
  },
  http2: {
    title: `HTTP/2 to HTTP/2, 8 connections x 16 streams, eight filters, ${ROUTES} routes, JSON log`,
    unit: REQUEST,
    load: { mode: 'h2load', connections: 8, seconds: 1, backend: 'http2' },
    entries: [
      http2('lateen', 'filters', 'lateen'),
      http2('lateen', 'bare', 'lateen, bare'),
      http2('haproxy', 'bare', 'haproxy, bare'),
      http2('envoy', 'bare', 'envoy, bare'),
      http2('envoy', 'filters', 'envoy, comparable'),
    ],
    goals: [
      { what: 'lateen', against: 'envoy, bare', atMost: 0.4 },
      { what: 'lateen', against: 'haproxy, bare', atMost: 1 },
    ],
  },
  'mtls-in': {
    title:
      'HTTP/1.1 inside mutual TLS, kept connections, identities checked and held against two policies',
    unit: REQUEST,
    load: CLOSED,
    entries: [
      entry('lateen', 'tls'),
      entry('nginx', 'tls'),
      entry('haproxy', 'tls'),
      entry('envoy', 'tls'),
    ],
    goals: [{ what: 'lateen', against: 'nginx', atMost: 1.2 }],
  },
  'mtls-new': {
    title: 'a new connection of mutual TLS for each request, checked alike, no session resumed',
    unit: 'us of CPU a connection',
    load: { mode: 'new', connections: 16, seconds: 1.5, backend: 'answer' },
    entries: [
      entry('lateen', 'tls'),
      entry('nginx', 'tls'),
      entry('haproxy', 'tls'),
      entry('envoy', 'tls'),
    ],
    goals: [{ what: 'lateen', against: 'nginx', atMost: 0.8 }],
  },
  tcp: {
    title: 'TCP, 1 KiB echoed, 32 connections',
    unit: 'us of CPU a message',
    load: { mode: 'messages', connections: 32, seconds: 0.8, backend: 'echo', message: 1024 },
    entries: [
      entry('lateen', 'tcp'),
      entry('nginx', 'tcp'),
      entry('haproxy', 'tcp'),
      entry('envoy', 'tcp'),
    ],
    goals: [
      { what: 'lateen', against: 'nginx', atMost: 1.35 },
      { what: 'lateen', against: 'envoy', atMost: 1 },
    ],
  },
  websocket: {
    title: 'WebSocket, 100 bytes echoed, 32 connections',
    unit: 'us of CPU a message',
    load: { mode: 'messages', connections: 32, seconds: 0.8, backend: 'echo', message: 100 },
    entries: [
      entry('lateen', 'websocket'),
      entry('nginx', 'websocket'),
      entry('haproxy', 'websocket'),
      entry('envoy', 'websocket'),
      entry('http-proxy-3', 'websocket'),
    ],
    goals: [
      { what: 'lateen', against: 'nginx', atMost: 1.35 },
      { what: 'lateen', against: 'envoy', atMost: 1 },
    ],
  },
  bulk: {
    title: 'TCP, bulk, 4 connections, 64 KiB writes',
    unit: 'us of CPU a MiB',
    load: { mode: 'bulk', connections: 4, seconds: 1, backend: 'sink' },
    entries: [
      entry('lateen', 'tcp'),
      entry('nginx', 'tcp'),
      entry('haproxy', 'tcp'),
      entry('envoy', 'tcp'),
    ],
    goals: [
      { what: 'lateen', against: 'nginx', atMost: 1 },
      { what: 'lateen', against: 'envoy', atMost: 1 },
    ],
  },
  paced: {
    title: 'HTTP/1.1, 2,000 requests a second, eight filters',
    unit: REQUEST,
    load: { mode: 'paced', connections: 32, seconds: 2, backend: 'answer', rate: 2000 },
    entries: FILTERED,
    goals: [{ what: 'lateen', against: 'envoy, comparable', atMost: 0.8 }],
  },
};

/** What clients send: about 500 bytes with a token, 250 without. */
export function requestOf({ scene }: Entry, { token }: Credentials): string {
  const { work, routes } = scene;
  const { host, prefix } =
    work === 'routes'
      ? lastRoute(scene)
      : { host: 'h5.example.com', prefix: `/v1/item${Math.max(0, routes / 20)}/` };
  const common = `Host: ${host}\r\nUser-Agent: bench/1.0\r\nAccept: application/json\r\n`;
  if (work === 'websocket')
    return `GET / HTTP/1.1\r\n${common}Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n`;
  const rest = 'Accept-Encoding: gzip, br\r\nX-Tier: gold\r\nX-Debug: 1\r\n';
  const path = `${prefix}details?id=7&view=full`;
  return `GET ${path} HTTP/1.1\r\n${common}${rest}Authorization: Bearer ${token}\r\nOrigin: ${ORIGIN}\r\n\r\n`;
}
