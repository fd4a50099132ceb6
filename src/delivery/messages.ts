/**
 * What a proxy and the control plane say to each other over one WebSocket. A push has a nonce and is answered with it;
 * there is one at a time for each scope. What came from outside is checked here, by both sides.
 */
import type { Diagnostic, Level } from '../model/diagnostic.ts';
import type { Pointer, ProxyScope } from '../model/snapshot.ts';
import { isPointer, isRecord } from './pointer.ts';

export type ScopeName = Pick<ProxyScope, 'type' | 'namespace' | 'name'>;

/** What carries the traffic of an instance: a Worker over fetch, or Node over sockets. They don't enforce the same. */
export type Runtime = 'edge' | 'node';

const RUNTIMES: readonly unknown[] = ['edge', 'node'] satisfies readonly Runtime[];

/** Undefined = it wasn't said, or is one that came later. */
export function readRuntime(value: unknown): Runtime | undefined {
  return RUNTIMES.includes(value) ? (value as Runtime) : undefined;
}

export interface Subscribe {
  readonly type: 'subscribe';
  readonly scope: ScopeName;
  /** Tells instances of one proxy apart. */
  readonly instance: string;
  readonly runtime?: Runtime;
  /** What it has, so that only the difference is sent. */
  readonly held?: Pointer;
  /** Version of the secrets that it has. */
  readonly secrets?: string;
}

/** ack: it is in force; nack: it is refused, and what was in force stays. */
export interface Answer {
  readonly type: 'ack' | 'nack';
  readonly scope: ScopeName;
  readonly nonce: string;
  readonly pointer: Pointer;
  readonly diagnostics: readonly Diagnostic[];
}

export type ClientMessage = Subscribe | Answer;

export interface PushMessage {
  readonly type: 'push';
  readonly scope: ScopeName;
  readonly nonce: string;
  readonly pointer: Pointer;
  /** Changes when a Secret that the proxy may read does; says nothing of what it holds. */
  readonly secrets: string;
  /** What the proxy lacks, by name. */
  readonly blobs: Readonly<Record<string, string>>;
  /** It lacks others, which it fetches: too much for a message, or for a slow reader. */
  readonly more?: true;
}

export const STREAM_PATH = '/v1/proxies/stream';
/** Subprotocol of the stream. */
export const STREAM_PROTOCOL = 'lateen.v1';
/** Before a token that is offered as a subprotocol, by who can't set header fields. */
export const TOKEN_PROTOCOL = 'bearer.';
/** Whole messages; the answer is given without waking who sleeps. */
export const PING = 'ping';
export const PONG = 'pong';

export const CLOSE = {
  /** A message that can't be read or isn't allowed. */
  policy: 1008,
  tooLarge: 1009,
  /** The control plane goes away. */
  restart: 1012,
  /** The token was revoked or has expired. */
  token: 4401,
  /** A push wasn't answered, or nothing was heard for long. */
  timeout: 4408,
} as const;

/** Of a message to the control plane, in characters. */
export const MAX_CLIENT_MESSAGE = 65_536;
/** Of a message to a proxy, in bytes. */
export const MAX_SERVER_MESSAGE = 1_048_576;
export const MAX_INSTANCE = 64;
export const MAX_DIAGNOSTICS = 20;
const MAX_NAME = 253;
const MAX_TEXT = 4096;
/** Of a text that is sent. */
const MAX_SAID = 800;

const SCOPE_TYPES: readonly unknown[] = ['gateway', 'sidecar-outbound', 'sidecar-inbound'];
const LEVELS: readonly unknown[] = ['error', 'warning', 'info'] satisfies readonly Level[];

const isText = (value: unknown, longest: number): value is string =>
  typeof value === 'string' && value.length > 0 && value.length <= longest;

function isScopeName(value: unknown): value is ScopeName {
  return (
    isRecord(value) &&
    SCOPE_TYPES.includes(value['type']) &&
    isText(value['namespace'], MAX_NAME) &&
    isText(value['name'], MAX_NAME)
  );
}

function isDiagnostic(value: unknown): value is Diagnostic {
  if (!isRecord(value) || !isText(value['code'], MAX_INSTANCE)) return false;
  const optional = [value['path'], value['resource'], value['remedy']];
  return (
    LEVELS.includes(value['level']) &&
    isText(value['message'], MAX_TEXT) &&
    optional.every((text) => text === undefined || isText(text, MAX_TEXT))
  );
}

const cut = (text: string): string => text.slice(0, MAX_SAID);

/** As many and as much of them as a message holds. */
export function abridged(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  return diagnostics.slice(0, MAX_DIAGNOSTICS).map(({ code, level, message, resource, path }) => ({
    code,
    level,
    message: cut(message),
    ...(resource === undefined ? {} : { resource: cut(resource) }),
    ...(path === undefined ? {} : { path: cut(path) }),
  }));
}

function parse(text: string): Record<string, unknown> | string {
  try {
    const value: unknown = JSON.parse(text);
    return isRecord(value) ? value : 'a message is a JSON object';
  } catch {
    return 'a message is JSON';
  }
}

function readSubscribe(value: Record<string, unknown>): Subscribe | string {
  const { scope, instance, held, secrets } = value;
  if (!isScopeName(scope)) return 'scope: want type, namespace and name';
  if (!isText(instance, MAX_INSTANCE)) return `instance: want 1 to ${MAX_INSTANCE} characters`;
  if (held !== undefined && !isPointer(held)) return 'held: want a pointer';
  if (secrets !== undefined && !isText(secrets, MAX_INSTANCE)) return 'secrets: want a version';
  const runtime = readRuntime(value['runtime']);
  const { type, namespace, name } = scope;
  return {
    type: 'subscribe',
    scope: { type, namespace, name },
    instance,
    ...(runtime === undefined ? {} : { runtime }),
    ...(held === undefined ? {} : { held }),
    ...(secrets === undefined ? {} : { secrets }),
  };
}

function readAnswer(value: Record<string, unknown>, type: 'ack' | 'nack'): Answer | string {
  const { scope, nonce, pointer, diagnostics = [] } = value;
  if (!isScopeName(scope)) return 'scope: want type, namespace and name';
  if (!isText(nonce, MAX_INSTANCE)) return 'nonce: want that of the push';
  if (!isPointer(pointer)) return 'pointer: want that of the push';
  const isList = Array.isArray(diagnostics) && diagnostics.length <= MAX_DIAGNOSTICS;
  if (!isList || !diagnostics.every((one) => isDiagnostic(one)))
    return `diagnostics: want at most ${MAX_DIAGNOSTICS}, each with code, level and message`;
  return { type, scope, nonce, pointer, diagnostics };
}

/** A text says what is wrong. */
export function readClientMessage(text: string): ClientMessage | string {
  const value = parse(text);
  if (typeof value === 'string') return value;
  switch (value['type']) {
    case 'subscribe':
      return readSubscribe(value);
    case 'ack':
    case 'nack':
      return readAnswer(value, value['type']);
    default:
      return 'type: want subscribe, ack or nack';
  }
}

/** A text says what is wrong. Whether blobs are what their names say is for who uses them to check. */
export function readPush(text: string): PushMessage | string {
  const value = parse(text);
  if (typeof value === 'string') return value;
  const { type, scope, nonce, pointer, secrets, blobs, more } = value;
  if (type !== 'push') return 'type: want push';
  if (!isScopeName(scope) || !isText(nonce, MAX_INSTANCE) || !isPointer(pointer))
    return 'want scope, nonce and pointer';
  if (!isText(secrets, MAX_INSTANCE)) return 'secrets: want a version';
  if (!isRecord(blobs) || !Object.values(blobs).every((blob) => typeof blob === 'string'))
    return 'blobs: want texts by name';
  return {
    type,
    scope,
    nonce,
    pointer,
    secrets,
    blobs: blobs as Readonly<Record<string, string>>,
    ...(more === true ? { more } : {}),
  };
}
