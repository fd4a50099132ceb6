/** What a runtime supplies; the core has no other way to the outside. */
export interface Host {
  readonly clock: Clock;
  readonly random: Random;
  /** Writes one access-log or diagnostic line (without line feed). */
  readonly log: (line: string) => void;
  /** Lets work outlive the response (waitUntil). */
  readonly background: (work: Promise<unknown>) => void;
}

export interface Clock {
  /** Wall clock in milliseconds since 1970. */
  nowMs(): number;
  sleep(ms: number): Promise<void>;
}

export interface Random {
  /** Uniform in [0, 1). */
  uniform(): number;
  /** `length` random bytes in lower-case hex; cryptographic. */
  hex(length: number): string;
}
