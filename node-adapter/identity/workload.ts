/**
 * The identity of a proxy: joins once, keeps its key and certificate in a file, renews long before they end, and says
 * loudly when it can't. Whom it believes comes with the configuration, so that a change of roots reaches it.
 */
import type { SecretMaterial } from '../../src/model/secret.ts';
import type { TrustSettings } from '../../src/model/trust.ts';
import { faultText } from '../../src/lib/fault.ts';
import { spiffeUri, trustDomainOf } from '../../src/lib/spiffe-id.ts';
import { metric } from '../admin/prometheus.ts';
import { logLine } from '../config/source.ts';
import { AuthorityClient, JoinRefusedError } from './authority-client.ts';
import type { Joining } from './authority-client.ts';
import { keyPem, loadCertificate, saveCertificate } from './certificate.ts';
import type { WorkloadCertificate } from './certificate.ts';
import { UntrustedError, readPem, rootOf } from './path.ts';
import {
  RENEWAL_TIMING,
  isUrgent,
  lifeMs,
  renewAtMs,
  renewWhileRotatingAtMs,
  retryAfterMs,
  spreadMs,
} from './timing.ts';
import type { RenewalTiming } from './timing.ts';

export interface WorkloadIdentityOptions {
  /** Of the control plane, http or https. */
  readonly url: string;
  /** Where key and certificate are kept, readable to the owner alone. */
  readonly file: string;
  /** What to join by, read again whenever it is needed. @default the file has a certificate already */
  readonly joining?: () => Joining | undefined;
  /** Takes one line, without line feed. */
  readonly log: (line: string) => void;
  readonly timing?: Partial<RenewalTiming>;
  /** @default the machine's */
  readonly nowMs?: () => number;
  /** In [0, 1). @default Math.random */
  readonly random?: () => number;
}

export interface IdentityState {
  /** `spiffe://...` */
  readonly identity: string;
  readonly notAfterMs: number;
  readonly renewAtMs: number;
  /** In a row, of renewals. */
  readonly failures: number;
  readonly lastFailure?: string;
}

/** It is joined for what it waits longest; a certificate that isn't there has no life. */
const JOIN_LIFE_MS = 5 * 60_000;
const LONGEST_TIMER_MS = 2 ** 31 - 1;
const REMEDY =
  'make a join token (`lateen join-token create`) and give it by --join-token; the proxy is to be restarted, or a new token written to the file that it reads';

const isDefinite = (error: unknown): error is Error =>
  error instanceof JoinRefusedError || error instanceof UntrustedError;

export class WorkloadIdentity {
  readonly #options: WorkloadIdentityOptions;
  readonly #client: AuthorityClient;
  readonly #timing: RenewalTiming;
  readonly #nowMs: () => number;
  readonly #random: () => number;
  readonly #listeners = new Set<() => void>();
  #certificate: WorkloadCertificate | undefined;
  #material: SecretMaterial | undefined;
  /** Of the own trust domain, by the configuration in force. */
  #trusted: readonly string[] | undefined;
  #timer: NodeJS.Timeout | undefined;
  #dueMs = 0;
  #isBusy = false;
  #failures = 0;
  #lastFailure: string | undefined;
  /** A credential that was used, or refused for good: it isn't shown again. */
  #spent: string | undefined;
  #renewals = 0;
  #allFailures = 0;
  #isStopped = false;
  #onStop: () => void = () => undefined;

  constructor(options: WorkloadIdentityOptions) {
    this.#options = options;
    this.#nowMs = options.nowMs ?? (() => Date.now());
    this.#random = options.random ?? Math.random;
    this.#timing = { ...RENEWAL_TIMING, ...options.timing };
    this.#client = new AuthorityClient({ url: options.url, nowMs: this.#nowMs });
  }

  /**
   * Resolves when there is a certificate, or when it was stopped.
   * @throws JoinRefusedError, UntrustedError, or Error when there is nothing to join by
   */
  async start(): Promise<void> {
    const kept = this.#load();
    if (kept !== undefined) {
      this.#use(kept);
      return;
    }
    for (let failures = 1; !this.#isStopped; failures++)
      try {
        const joined = await this.#join();
        if (!this.#isStopped) this.#take(joined, 'the proxy joined the mesh');
        return;
      } catch (error) {
        if (isDefinite(error)) throw error;
        this.#failed('the proxy could not join the mesh yet', error);
        await this.#pause(retryAfterMs(failures, JOIN_LIFE_MS, this.#random()));
      }
  }

  stop(): void {
    this.#isStopped = true;
    clearTimeout(this.#timer);
    this.#onStop();
  }

  /** Key, certificate and whom it believes, as the secret `workload`. Undefined = there is none yet. */
  get material(): SecretMaterial | undefined {
    return this.#material;
  }

  /** Told after it changed. Returns what ends it. */
  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Of a configuration that is in force. */
  trust(settings: TrustSettings | undefined): void {
    const { identity } = this.#certificate ?? {};
    if (settings === undefined || identity === undefined) return;
    const domain = trustDomainOf(identity);
    if (!Object.hasOwn(settings.roots, domain)) return;
    const roots = settings.roots[domain] ?? [];
    if (sameTexts(roots, this.#trusted)) return;
    this.#trusted = roots;
    this.#tell();
    this.#renewForRoots();
  }

  get state(): IdentityState | undefined {
    const certificate = this.#certificate;
    if (certificate === undefined) return undefined;
    const lastFailure = this.#lastFailure;
    return {
      identity: spiffeUri(certificate.identity),
      notAfterMs: certificate.notAfterMs,
      renewAtMs: this.#dueMs,
      failures: this.#failures,
      ...(lastFailure === undefined ? {} : { lastFailure }),
    };
  }

  /** What keeps the proxy from being who it is; undefined = nothing. */
  get lacks(): string | undefined {
    const { notAfterMs } = this.#certificate ?? {};
    if (notAfterMs === undefined) return 'no certificate of the mesh yet';
    return this.#nowMs() >= notAfterMs ? 'the certificate of the mesh has expired' : undefined;
  }

  /** In Prometheus' text format. */
  stats(): string {
    const certificate = this.#certificate;
    const labels = certificate === undefined ? {} : { identity: spiffeUri(certificate.identity) };
    const one = (value: number): { labels: typeof labels; value: number }[] => [{ labels, value }];
    const left = ((certificate?.notAfterMs ?? 0) - this.#nowMs()) / 1000;
    return [
      metric(
        'lateen_certificate_expiry_seconds',
        { type: 'gauge', help: 'Until the certificate of the workload ends; less than 0: since.' },
        certificate === undefined ? [] : one(left),
      ),
      metric(
        'lateen_certificate_renewals_total',
        { type: 'counter', help: 'Certificates that came in the place of another.' },
        one(this.#renewals),
      ),
      metric(
        'lateen_certificate_failures_total',
        { type: 'counter', help: 'Tries to join or to renew that gave no certificate.' },
        one(this.#allFailures),
      ),
    ].join('');
  }

  #load(): WorkloadCertificate | undefined {
    const { file, log } = this.#options;
    try {
      const kept = loadCertificate(file, this.#nowMs());
      const wanted = this.#credential()?.identity;
      return wanted === undefined || kept?.identity === wanted ? kept : undefined;
    } catch (error) {
      const cause = error instanceof Error ? error.message : 'unknown';
      log(logLine('warning', 'the certificate that was kept is not used', { file, cause }));
      return undefined;
    }
  }

  /** What is read may not be there, or not be what it should. */
  #credential(): Joining | undefined {
    return this.#options.joining?.();
  }

  /** @throws Error when there is nothing to join by that wasn't tried */
  async #join(): Promise<WorkloadCertificate> {
    const joining = this.#credential();
    if (joining === undefined) throw new UntrustedError(`there is nothing to join by: ${REMEDY}`);
    const secret = secretOf(joining);
    if (secret === this.#spent)
      throw new UntrustedError(`what there is to join by was used: ${REMEDY}`);
    try {
      const joined = await this.#client.join(joining);
      this.#spent = secret;
      return joined;
    } catch (error) {
      if (error instanceof JoinRefusedError) this.#spent = secret;
      throw error;
    }
  }

  /** By the certificate in use, or, when that has ended or is refused, as at first. */
  async #next(current: WorkloadCertificate): Promise<WorkloadCertificate> {
    if (this.#nowMs() >= current.notAfterMs) return this.#join();
    try {
      return await this.#client.renew(current, this.#believed(current));
    } catch (error) {
      const joining = error instanceof JoinRefusedError ? this.#credential() : undefined;
      if (joining === undefined || secretOf(joining) === this.#spent) throw error;
      return this.#join();
    }
  }

  async #renew(): Promise<void> {
    const current = this.#certificate;
    if (current === undefined || this.#isBusy || this.#isStopped) return;
    this.#isBusy = true;
    try {
      const next = await this.#next(current);
      if (this.#isStopped) return;
      this.#renewals++;
      this.#take(next, 'the certificate of the workload was renewed');
    } catch (error) {
      this.#failed('the certificate of the workload could not be renewed', error);
      const life = lifeMs(current);
      this.#schedule(this.#nowMs() + retryAfterMs(++this.#failures, life, this.#random()));
    } finally {
      this.#isBusy = false;
    }
  }

  #take(certificate: WorkloadCertificate, message: string): void {
    const { file, log } = this.#options;
    try {
      saveCertificate(file, certificate);
    } catch (error) {
      const cause = error instanceof Error ? error.message : 'unknown';
      log(errorLine('the certificate can not be kept over a restart', { file, cause }));
    }
    const { identity, notAfterMs } = certificate;
    const until = new Date(notAfterMs).toISOString();
    log(logLine('info', message, { identity: spiffeUri(identity), until }));
    this.#use(certificate);
  }

  #use(certificate: WorkloadCertificate): void {
    this.#certificate = certificate;
    this.#failures = 0;
    this.#lastFailure = undefined;
    this.#schedule(this.#renewAt(certificate));
    this.#tell();
  }

  #believed(certificate: WorkloadCertificate): readonly string[] {
    return this.#trusted ?? certificate.roots;
  }

  #tell(): void {
    const certificate = this.#certificate;
    if (certificate === undefined) return;
    this.#material = {
      certificate: certificate.chain,
      key: keyPem(certificate),
      authorities: this.#believed(certificate).join('\n'),
    };
    for (const listener of this.#listeners) listener();
  }

  /** Peers believe the root of the certificate in use no more, or may soon not. */
  #renewForRoots(): void {
    const certificate = this.#certificate;
    if (certificate === undefined) return;
    const believed = this.#believed(certificate);
    const isOut = rootOf(readPem(certificate.chain), believed) === undefined;
    const atMs = isOut
      ? this.#nowMs() + spreadMs(lifeMs(certificate), this.#random())
      : this.#renewAt(certificate);
    if (atMs < this.#dueMs) this.#schedule(atMs);
  }

  #renewAt(certificate: WorkloadCertificate): number {
    const usualMs = renewAtMs(certificate, this.#timing, this.#random());
    if (this.#believed(certificate).length < 2) return usualMs;
    return Math.min(usualMs, renewWhileRotatingAtMs(certificate, this.#random()));
  }

  #schedule(atMs: number): void {
    clearTimeout(this.#timer);
    if (this.#isStopped) return;
    this.#dueMs = atMs;
    const waitMs = Math.min(Math.max(0, atMs - this.#nowMs()), LONGEST_TIMER_MS);
    this.#timer = setTimeout(() => {
      // A timer holds no longer than 24 days.
      if (this.#nowMs() < this.#dueMs - 1000) this.#schedule(this.#dueMs);
      else void this.#renew();
    }, waitMs).unref();
  }

  #failed(message: string, error: unknown): void {
    if (this.#isStopped) return;
    this.#allFailures++;
    const cause = faultText(error);
    this.#lastFailure = cause;
    const certificate = this.#certificate;
    const nowMs = this.#nowMs();
    const fields = {
      cause,
      ...(certificate === undefined
        ? {}
        : {
            identity: spiffeUri(certificate.identity),
            secondsLeft: Math.round((certificate.notAfterMs - nowMs) / 1000),
          }),
    };
    const isLoud = isDefinite(error) || (certificate !== undefined && isUrgent(certificate, nowMs));
    this.#options.log(isLoud ? errorLine(message, fields) : logLine('warning', message, fields));
  }

  #pause(waitMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, waitMs);
      this.#onStop = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

const secretOf = ({ credential }: Joining): string =>
  'token' in credential ? credential.token : credential.oidc;

const sameTexts = (a: readonly string[], b: readonly string[] | undefined): boolean =>
  b !== undefined && a.length === b.length && a.every((text, index) => text === b[index]);

const errorLine = (message: string, fields: object): string =>
  JSON.stringify({ level: 'error', message, ...fields });

export function createWorkloadIdentity(options: WorkloadIdentityOptions): WorkloadIdentity {
  return new WorkloadIdentity(options);
}
