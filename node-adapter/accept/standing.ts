/** The end of a connection whose client is known by a certificate: what that proved ends with it, or when it is denied. */
import type { Deadlines } from '../sockets/deadlines.ts';
import { Moment } from '../sockets/moment.ts';
import type { KnownCertificate } from '../tls/known-certificates.ts';
import type { Distrust, MeshTrust } from '../tls/trust.ts';

export interface StandingOptions {
  readonly known: KnownCertificate;
  /** Absent: nobody of the mesh certified it. */
  readonly trust: MeshTrust | undefined;
  /** For what is under way then. */
  readonly graceMs: number;
  readonly deadlines: Deadlines;
  /** Ends behind what is under way. */
  drain(): void;
  /** Ends now. @param details why, for the log */
  cut(details: string): void;
}

export class Standing {
  readonly #options: StandingOptions;
  readonly #unwatch: (() => void) | undefined;
  #next: Moment | undefined;
  #isEnding = false;

  constructor(options: StandingOptions) {
    this.#options = options;
    const { known, trust, deadlines } = options;
    if (known.expiresMs !== undefined)
      this.#next = new Moment(deadlines, known.expiresMs, () => this.#end('expired'));
    this.#unwatch = trust?.watch({
      known,
      onDistrust: ({ isDenied }: Distrust) => this.#end(isDenied ? 'denied' : 'untrusted'),
    });
  }

  /** The connection is over. */
  cancel(): void {
    this.#next?.cancel();
    this.#unwatch?.();
  }

  #end(why: 'expired' | 'denied' | 'untrusted'): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.cancel();
    const { deadlines, graceMs } = this.#options;
    const details = `client_certificate_${why}`;
    this.#next = new Moment(deadlines, Date.now() + graceMs, () => this.#options.cut(details));
    this.#options.drain();
  }
}
