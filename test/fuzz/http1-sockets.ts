/** Sockets without a kernel: what was written stays until somebody takes it, and nothing happens by itself. */
import type { Socket } from 'node:net';

const HIGH_WATER = 2000;

type Told = () => void;

export class MemorySocket {
  writable = true;
  readable = true;
  destroyed = false;
  isEnded = false;
  wasReset = false;
  isPaused = false;
  isClosed = false;
  hasPeerEnded = false;
  writableNeedDrain = false;
  bytesWritten = 0;
  /** What was asked for under which number, by where it begins. */
  readonly marks: { readonly at: number; readonly number: number }[] = [];
  readonly #number: () => number;
  #out = '';
  readonly #told = new Map<string, Told[]>();

  /** `number`: of the request that is under way. */
  constructor(number: () => number = () => 0) {
    this.#number = number;
  }

  get writableLength(): number {
    return this.#out.length;
  }

  /** As the adapter takes it. */
  get asSocket(): Socket {
    return this as unknown as Socket;
  }

  on(name: string, told: Told): this {
    const list = this.#told.get(name);
    if (list === undefined) this.#told.set(name, [told]);
    else list.push(told);
    return this;
  }

  removeListener(name: string, told: Told): this {
    const list = this.#told.get(name) ?? [];
    this.#told.set(
      name,
      list.filter((one) => one !== told),
    );
    return this;
  }

  tell(name: string): void {
    for (const told of this.#told.get(name) ?? []) told();
  }

  write(data: string | Buffer): boolean {
    if (!this.writable) throw new Error('written behind the end');
    const text = typeof data === 'string' ? data : data.latin1Slice();
    const number = this.#number();
    if (this.marks.at(-1)?.number !== number) this.marks.push({ at: this.bytesWritten, number });
    this.#out += text;
    this.bytesWritten += text.length;
    if (this.#out.length >= HIGH_WATER) this.writableNeedDrain = true;
    return !this.writableNeedDrain;
  }

  end(): void {
    this.writable = false;
    this.isEnded = true;
  }

  destroy(): void {
    this.destroyed = true;
    this.writable = false;
    this.readable = false;
  }

  resetAndDestroy(): void {
    this.wasReset = true;
    this.destroy();
  }

  pause(): void {
    this.isPaused = true;
  }

  resume(): void {
    this.isPaused = false;
  }

  /** Number of the request that the byte at `at` was written for. */
  numberAt(at: number): number {
    let number = 0;
    for (const mark of this.marks) if (mark.at <= at) number = mark.number;
    return number;
  }

  /** The system takes what was written. */
  take(): string {
    const out = this.#out;
    this.#out = '';
    if (this.writableNeedDrain) {
      this.writableNeedDrain = false;
      this.tell('drain');
    }
    return out;
  }

  /** The peer's FIN. */
  endRead(): void {
    this.readable = false;
    this.hasPeerEnded = true;
    this.tell('end');
  }

  close(): void {
    this.isClosed = true;
    this.destroy();
    this.tell('close');
  }
}
