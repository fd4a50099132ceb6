/** Connections of both protocols to one endpoint: a request goes on by the one that it came by. */
import type { RequestHead } from '../../src/model/head.ts';
import type { ClientStream } from '../stream.ts';
import type { Pool, PoolStats, Waiter } from './pool.ts';

type Spoken = 'http1' | 'http2';

/** `onEmpty` as of a pool. */
export type MakePool = (protocol: Spoken, onEmpty: () => void) => Pool;

const NONE: PoolStats = { connections: 0, idle: 0, waiting: 0 };

export class ClientProtocolPool implements Pool {
  readonly #make: MakePool;
  readonly #onEmpty: () => void;
  /** As they are wanted: most clients speak alike. */
  #http1: Pool | undefined;
  #http2: Pool | undefined;
  /** With something under way. */
  readonly #busy: Set<Spoken> = new Set();
  #isDraining = false;

  constructor(make: MakePool, onEmpty: () => void) {
    this.#make = make;
    this.#onEmpty = onEmpty;
  }

  get stats(): PoolStats {
    const [one, two] = [this.#http1?.stats ?? NONE, this.#http2?.stats ?? NONE];
    return {
      connections: one.connections + two.connections,
      idle: one.idle + two.idle,
      waiting: one.waiting + two.waiting,
    };
  }

  /** Requests of the proxy's own go by HTTP/1.1. */
  acquire(waiter: Waiter, isFresh = false, request?: RequestHead): ClientStream | undefined {
    if (request === undefined || request.isHttp1 === true) {
      this.#busy.add('http1');
      return (this.#http1 ??= this.#begin('http1')).acquire(waiter, isFresh);
    }
    this.#busy.add('http2');
    return (this.#http2 ??= this.#begin('http2')).acquire(waiter, isFresh);
  }

  cancel(waiter: Waiter): void {
    this.#http1?.cancel(waiter);
    this.#http2?.cancel(waiter);
  }

  drain(): void {
    this.#isDraining = true;
    this.#http1?.drain();
    this.#http2?.drain();
    this.#tellIfEmpty();
  }

  close(): void {
    this.#http1?.close();
    this.#http2?.close();
  }

  #begin(protocol: Spoken): Pool {
    const pool = this.#make(protocol, () => {
      this.#busy.delete(protocol);
      this.#tellIfEmpty();
    });
    if (this.#isDraining) pool.drain();
    return pool;
  }

  #tellIfEmpty(): void {
    if (this.#busy.size === 0) this.#onEmpty();
  }
}
