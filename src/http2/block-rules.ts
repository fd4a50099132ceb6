/** What a decoded block must be to be a head or trailers: RFC 9113, 8.2 and 8.3, strictly. */
import { isForbiddenTrailer } from '../lib/trailer-names.ts';
import { encodeReceivedTarget } from '../lib/sendable.ts';
import { Field, FieldKind, fieldName, TAKEN } from './field.ts';
import { Http2RequestHead, Http2ResponseHead } from './head.ts';
import type { HpackDecoder } from './hpack-decoder.ts';

/** Names and values in wire order. */
export type FieldPairs = readonly (readonly [name: string, value: string])[];

const NO_PAIRS: FieldPairs = [];
const METHOD = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;
const TARGET = /^\/[\x21-\x7e\x80-\xff]*$/;
const AUTHORITY = /^[\x21-\x7e]+$/;
const NOT_ASCII = /[\x80-\xff]/;
const LENGTH = /^\d{1,15}$/;
const STATUS = /^[1-5]\d\d$/;
const COOKIE = fieldName('cookie');

export interface RequestRules {
  /** Of the connection. */
  readonly scheme: 'http' | 'https';
  readonly allowsConnectProtocol: boolean;
  readonly cookieCrumbs: number;
}

/** Reads blocks of one connection. A fault is one token. */
export class BlockReader {
  readonly #rules: RequestRules;
  /** By kind. */
  readonly #pseudo: (Field | undefined)[] = Array.from({ length: 8 }, () => undefined);
  #pseudoCount = 0;
  #contentLength = -1;
  #host = '';
  #hasHost = false;
  #cookies = 0;
  /** Of the block before: clients send the same cookies with each request. */
  #lastCookie = TAKEN;

  constructor(rules: RequestRules) {
    this.#rules = rules;
  }

  request(block: HpackDecoder, isEnd: boolean): Http2RequestHead | string {
    const fault = this.#scan(block, true) ?? this.#pseudoFault();
    if (fault !== undefined) return fault;
    if (isEnd && this.#contentLength > 0) return 'content_length_mismatch';
    const method = this.#value(FieldKind.method);
    const path = this.#value(FieldKind.path);
    const authority = this.#authority();
    if (authority === undefined) return 'authority_mismatch';
    const isPlainConnect = method === 'CONNECT' && path === '';
    const line = {
      method,
      scheme: this.#rules.scheme,
      authority,
      target: isPlainConnect ? authority : NOT_ASCII.test(path) ? encodeReceivedTarget(path) : path,
      protocol: this.#value(FieldKind.protocol),
      // What comes behind a CONNECT belongs to the tunnel.
      hasBody: !isEnd && method !== 'CONNECT',
      contentLength: this.#contentLength,
    };
    const fields = block.fields.slice(this.#pseudoCount, block.count);
    if (this.#hasHost) takeOut(fields, FieldKind.host);
    if (this.#cookies > 1) this.#joinCookies(fields);
    return new Http2RequestHead(line, fields);
  }

  response(block: HpackDecoder): Http2ResponseHead | string {
    const fault = this.#scan(block, false);
    if (fault !== undefined) return fault;
    const status = this.#value(FieldKind.status);
    // RFC 9113, 8.6: nothing is switched here.
    if (!STATUS.test(status) || status === '101') return 'status_malformed';
    const fields = block.fields.slice(this.#pseudoCount, block.count);
    return new Http2ResponseHead(Number(status), this.#contentLength, fields);
  }

  trailers(block: HpackDecoder): FieldPairs | string {
    const { fields, count } = block;
    if (block.isTooLarge) return 'trailers_too_large';
    if (count === 0) return NO_PAIRS;
    const pairs: (readonly [string, string])[] = [];
    for (let i = 0; i < count; i++) {
      const field = fields[i] as Field;
      const { kind } = field;
      if (!field.isValid) return 'field_malformed';
      if (kind >= FieldKind.method && kind <= FieldKind.connection) return 'trailer_forbidden';
      // Left out and not refused: calls of gRPC end by what stands beside it.
      if (!isForbiddenTrailer(field.name)) pairs.push([field.name, field.value]);
    }
    return pairs;
  }

  #scan(block: HpackDecoder, isRequest: boolean): string | undefined {
    const { fields, count } = block;
    this.#pseudo.fill(undefined);
    this.#pseudoCount = 0;
    this.#contentLength = -1;
    this.#host = '';
    this.#hasHost = false;
    this.#cookies = 0;
    for (let i = 0; i < count; i++) {
      const field = fields[i] as Field;
      if (!field.isValid) return 'field_malformed';
      if (field.kind === FieldKind.plain) continue;
      const fault =
        field.kind <= FieldKind.unknownPseudo
          ? this.#notePseudo(field, i, isRequest)
          : this.#note(field, isRequest);
      if (fault !== undefined) return fault;
    }
    return block.isTooLarge ? 'head_too_large' : undefined;
  }

  #notePseudo(field: Field, at: number, isRequest: boolean): string | undefined {
    const { kind } = field;
    if (at !== this.#pseudoCount) return 'pseudo_header_late';
    if (kind === FieldKind.unknownPseudo || (kind === FieldKind.status) === isRequest)
      return 'pseudo_header_unknown';
    if (this.#pseudo[kind] !== undefined) return 'pseudo_header_repeated';
    this.#pseudo[kind] = field;
    this.#pseudoCount++;
    return undefined;
  }

  #note(field: Field, isRequest: boolean): string | undefined {
    const { kind, value } = field;
    if (kind === FieldKind.connection) return 'connection_specific_field';
    if (kind === FieldKind.contentLength) {
      if (this.#contentLength >= 0) return 'content_length_repeated';
      if (!LENGTH.test(value)) return 'content_length_malformed';
      this.#contentLength = Number(value);
    } else if (!isRequest) return undefined;
    else if (kind === FieldKind.te) return value === 'trailers' ? undefined : 'te_unknown';
    else if (kind === FieldKind.cookie) {
      if (++this.#cookies > this.#rules.cookieCrumbs) return 'too_many_cookie_crumbs';
    } else if (kind === FieldKind.host) {
      if (this.#hasHost) return 'host_repeated';
      this.#hasHost = true;
      this.#host = value;
    }
    return undefined;
  }

  #pseudoFault(): string | undefined {
    const pseudo = this.#pseudo;
    const method = this.#value(FieldKind.method);
    if (pseudo[FieldKind.method]?.staticIndex === 0 && !METHOD.test(method))
      return 'method_malformed';
    const hasProtocol = pseudo[FieldKind.protocol] !== undefined;
    if (hasProtocol && (method !== 'CONNECT' || !this.#rules.allowsConnectProtocol))
      return 'connect_protocol_unexpected';
    if (hasProtocol && this.#value(FieldKind.protocol) !== 'websocket')
      return 'connect_protocol_unknown';
    const hasScheme = pseudo[FieldKind.scheme] !== undefined;
    const hasPath = pseudo[FieldKind.path] !== undefined;
    if (method === 'CONNECT' && !hasProtocol)
      return hasScheme || hasPath || this.#value(FieldKind.authority) === ''
        ? 'connect_malformed'
        : undefined;
    if (method === '' || !hasScheme || !hasPath) return 'pseudo_header_missing';
    const scheme = this.#value(FieldKind.scheme);
    if (scheme !== 'http' && scheme !== 'https') return 'scheme_unknown';
    const path = this.#value(FieldKind.path);
    if (TARGET.test(path) || (path === '*' && method === 'OPTIONS')) return undefined;
    return 'path_malformed';
  }

  #value(kind: number): string {
    return this.#pseudo[kind]?.value ?? '';
  }

  /** Undefined = two that differ, or one that can't be. */
  #authority(): string | undefined {
    const said = this.#pseudo[FieldKind.authority];
    const authority = said === undefined ? this.#host : said.value;
    if (authority === '') return said === undefined && !this.#hasHost ? '' : undefined;
    if (!AUTHORITY.test(authority)) return undefined;
    if (this.#hasHost && this.#host.toLowerCase() !== authority.toLowerCase()) return undefined;
    return authority;
  }

  /** RFC 9113, 8.2.3: one field, in the place of the first crumb. */
  #joinCookies(fields: Field[]): void {
    let first = -1;
    let joined = '';
    let isSensitive = false;
    for (let i = 0; i < fields.length; i++) {
      const field = fields[i] as Field;
      if (field.kind !== FieldKind.cookie) continue;
      joined = first < 0 ? field.value : `${joined}; ${field.value}`;
      isSensitive ||= field.isSensitive;
      if (first < 0) first = i;
      else fields[i] = TAKEN;
    }
    const last = this.#lastCookie;
    if (last.value !== joined || last.isSensitive !== isSensitive)
      this.#lastCookie = new Field(COOKIE, joined, isSensitive);
    fields[first] = this.#lastCookie;
  }
}

function takeOut(fields: Field[], kind: number): void {
  for (let i = 0; i < fields.length; i++) if (fields[i]?.kind === kind) fields[i] = TAKEN;
}
