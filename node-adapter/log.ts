/** Lines out of the process: gathered, and written many at a time off the request's path. */
import { createWriteStream, writeSync } from 'node:fs';
import type { WriteStream } from 'node:fs';

const BUFFER_BYTES = 65_536;
const FLUSH_MS = 100;
/** A reader that hangs must not fill the memory: lines beyond it are counted and dropped. */
const MAX_BEHIND_BYTES = 16 * 1024 * 1024;

export interface LineLog {
  write(line: string): void;
  /** What is gathered leaves now, before the process does. */
  close(): void;
}

/** Of UTF-8, for a unit of UTF-16. */
const MAX_BYTES_PER_UNIT = 3;

class BufferedLog implements LineLog {
  readonly #out: WriteStream;
  readonly #fd: number;
  #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  #used = 0;
  #timer: NodeJS.Timeout | undefined;
  #dropped = 0;

  constructor(fd: number) {
    this.#fd = fd;
    this.#out = createWriteStream('', { fd, autoClose: false });
    this.#out.on('error', () => undefined);
  }

  write(line: string): void {
    const bytes = line.length * MAX_BYTES_PER_UNIT + 1;
    if (bytes > BUFFER_BYTES) {
      this.#flush();
      this.#send(Buffer.from(`${line}\n`));
      return;
    }
    if (this.#used + bytes > BUFFER_BYTES) this.#flush();
    const buffer = this.#buffer;
    this.#used += buffer.utf8Write(line, this.#used);
    buffer[this.#used++] = LINE_FEED;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#flush();
    }, FLUSH_MS).unref();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#used === 0) return;
    try {
      writeSync(this.#fd, this.#buffer.subarray(0, this.#used));
    } catch {
      // Nobody reads any more.
    }
    this.#used = 0;
  }

  #flush(): void {
    if (this.#used === 0) return;
    const full = this.#buffer.subarray(0, this.#used);
    this.#buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
    this.#used = 0;
    this.#send(full);
  }

  #send(bytes: Buffer): void {
    if (this.#out.writableLength > MAX_BEHIND_BYTES) {
      this.#dropped++;
      return;
    }
    if (this.#dropped > 0) {
      this.#out.write(
        `{"level":"warning","message":"log lines were dropped","writes":${this.#dropped}}\n`,
      );
      this.#dropped = 0;
    }
    this.#out.write(bytes);
  }
}

const LINE_FEED = 10;

/** @param fd 1 is the standard output */
export function createLineLog(fd: number): LineLog {
  return new BufferedLog(fd);
}
