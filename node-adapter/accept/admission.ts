/** As many connections of clients as leave descriptors to everything else that a proxy has open. */

export interface AdmissionOptions {
  /** At a time; 0 = any number. */
  readonly maxConnections: number;
  readonly log: (line: string) => void;
}

/** Between two lines of the log: a flood is told of, not written down. */
const SILENCE_MS = 1000;

export class Admission {
  readonly #most: number;
  readonly #log: (line: string) => void;
  #open = 0;
  #refused = 0;
  #untold = 0;
  #toldMs = -Infinity;

  constructor({ maxConnections, log }: AdmissionOptions) {
    this.#most = maxConnections > 0 ? maxConnections : Infinity;
    this.#log = log;
  }

  /** Infinity = any number. */
  get most(): number {
    return this.#most;
  }

  /** Connections that were closed unheard, so far. */
  get refused(): number {
    return this.#refused;
  }

  /** A place for one more. False: it is to be closed. */
  take(port: number): boolean {
    if (this.#open < this.#most) {
      this.#open++;
      return true;
    }
    this.#refuse(port, 'connection_limit');
    return false;
  }

  leave(): void {
    this.#open--;
  }

  /** The system gave none out. @param code as EMFILE */
  onFailed(port: number, code: string): void {
    this.#refuse(port, `accept_${code}`);
  }

  #refuse(port: number, details: string): void {
    this.#refused++;
    this.#untold++;
    const nowMs = performance.now();
    if (nowMs - this.#toldMs < SILENCE_MS) return;
    this.#toldMs = nowMs;
    const [open, closed] = [this.#open, this.#untold];
    this.#untold = 0;
    this.#log(
      `{"time":${Date.now()},"protocol":"tcp","port":${port},"flags":"OM","details":"${details}","connections":${open},"closed":${closed}}`,
    );
  }
}
