/** When a certificate is renewed, and when again after it could not be. */

export interface RenewalTiming {
  /** Of a certificate's life, when it is renewed. @default 0.5 */
  readonly ratio: number;
  /** So that not all proxies renew at once: the ratio is so much more or less. @default 0.01 */
  readonly jitter: number;
}

export const RENEWAL_TIMING: RenewalTiming = { ratio: 0.5, jitter: 0.01 };

interface Life {
  readonly receivedMs: number;
  readonly notAfterMs: number;
}

const between = (least: number, value: number, most: number): number =>
  Math.min(most, Math.max(least, value));

export const lifeMs = ({ receivedMs, notAfterMs }: Life): number =>
  Math.max(1, notAfterMs - receivedMs);

/** @param random in [0, 1) */
export function renewAtMs(life: Life, { ratio, jitter }: RenewalTiming, random: number): number {
  return life.receivedMs + lifeMs(life) * (ratio + jitter * (2 * random - 1));
}

/**
 * While several roots are believed the signer is exchanged, and nobody says when: asking now and then is how a proxy has a
 * certificate of the new one long before the old one goes. @param random in [0, 1)
 */
export function renewWhileRotatingAtMs(life: Life, random: number): number {
  return life.receivedMs + Math.max(2000, lifeMs(life) / 20) * (0.75 + random / 2);
}

/** Doubles with each failure, up to a share of the life that leaves many tries. @param random in [0, 1) */
export function retryAfterMs(failures: number, life: number, random: number): number {
  const first = between(100, life / 500, 5000);
  const longest = between(500, life / 50, 600_000);
  const waitMs = Math.min(longest, first * 2 ** Math.min(failures - 1, 20));
  return waitMs * (0.5 + random / 2);
}

/** What is left then is no more than a quarter: who reads the log should act. */
export const isUrgent = (life: Life, nowMs: number): boolean =>
  life.notAfterMs - nowMs <= lifeMs(life) / 4;

/** When other roots count all at once, proxies spread over so long. */
export const spreadMs = (life: number, random: number): number =>
  random * between(100, life / 50, 30_000);
