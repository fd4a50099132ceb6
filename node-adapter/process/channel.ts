/** Calls between two processes over the channel that Node opens between parent and child; an answer may bring a handle. */
import type { LinkError } from '../../src/proxy/index.ts';

/** Either side: `process`, or a ChildProcess. */
export interface ChannelEnd {
  readonly connected: boolean;
  send?(message: object, handle?: unknown, done?: (error: Error | null) => void): boolean;
  on(event: 'message', told: (message: unknown, handle: unknown) => void): unknown;
  on(event: 'disconnect', told: () => void): unknown;
}

export interface Answer {
  readonly value: unknown;
  readonly handle?: object;
}

/** Answers one kind of call. */
export type Answering = (given: unknown, handle: object | undefined) => Promise<Answer> | Answer;

interface Call {
  readonly call: number;
  readonly name: string;
  readonly given?: unknown;
}

interface Reply {
  readonly reply: number;
  readonly value?: unknown;
  readonly error?: { readonly message: string; readonly code?: string };
}

/** The other side refused, or is gone. */
export class ChannelError extends Error {
  readonly code: string | undefined;

  constructor(message: string, code?: string) {
    super(message);
    this.name = 'ChannelError';
    this.code = code;
  }
}

const GONE = 'ERR_GONE';
const LINK_ERROR: LinkError['code'] = 'LAT0201';

export function goneError(): ChannelError {
  return new ChannelError('the process is gone', GONE);
}

/** The process on the other side has ended, or was never there. */
export function isGone(error: unknown): boolean {
  return error instanceof ChannelError && error.code === GONE;
}

/** The other side could not link what it was given. */
export function isLinkError(error: unknown): error is ChannelError {
  return error instanceof ChannelError && error.code === LINK_ERROR;
}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
}

export class Channel {
  readonly #end: ChannelEnd;
  readonly #answers = new Map<string, Answering>();
  readonly #waiting = new Map<number, Waiting>();
  #calls = 0;

  constructor(end: ChannelEnd) {
    this.#end = end;
    end.on('message', (message, handle) => this.#receive(message, handle));
    end.on('disconnect', () => this.#gone());
  }

  answer(name: string, answering: Answering): void {
    this.#answers.set(name, answering);
  }

  /** @throws ChannelError when it is refused, or nobody is there any more */
  call(name: string, given?: unknown, handle?: object): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const call = ++this.#calls;
      this.#waiting.set(call, { resolve, reject });
      this.#send({ call, name, given }, handle, () => {
        this.#waiting.delete(call);
        reject(goneError());
      });
    });
  }

  #send(message: Call | Reply, handle: object | undefined, onFault: () => void): void {
    if (!this.#end.connected) {
      onFault();
      return;
    }
    try {
      this.#end.send?.(message, handle, (error) => {
        if (error !== null) onFault();
      });
    } catch {
      onFault();
    }
  }

  #receive(message: unknown, handle: unknown): void {
    const given = message as Partial<Call & Reply>;
    const brought = typeof handle === 'object' && handle !== null ? handle : undefined;
    if (given.call !== undefined) void this.#answerCall(given as Call, brought);
    else if (given.reply !== undefined) this.#settle(given as Reply, brought);
  }

  async #answerCall({ call, name, given }: Call, brought: object | undefined): Promise<void> {
    const nobody = (): void => undefined;
    try {
      const answering = this.#answers.get(name);
      if (answering === undefined) throw new ChannelError(`nothing answers ${name}`);
      const { value, handle } = await answering(given, brought);
      this.#send({ reply: call, value }, handle, nobody);
    } catch (error) {
      const { message, code } = error as Error & { readonly code?: string };
      this.#send(
        { reply: call, error: { message, ...(code === undefined ? {} : { code }) } },
        undefined,
        nobody,
      );
    }
  }

  #settle({ reply, value, error }: Reply, handle: object | undefined): void {
    const waiting = this.#waiting.get(reply);
    this.#waiting.delete(reply);
    if (error !== undefined) waiting?.reject(new ChannelError(error.message, error.code));
    else waiting?.resolve({ value, ...(handle === undefined ? {} : { handle }) });
  }

  #gone(): void {
    for (const { reject } of this.#waiting.values()) reject(goneError());
    this.#waiting.clear();
  }
}
