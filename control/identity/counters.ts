/** Counted since this control plane started; named as Istio's authority names its metrics. */
export interface Counters {
  issued: number;
  requests: number;
  refused: number;
  signErrors: number;
  tokens: number;
}

export const createCounters = (): Counters => ({
  issued: 0,
  requests: 0,
  refused: 0,
  signErrors: 0,
  tokens: 0,
});

export interface ShownCounters {
  readonly citadel_server_csr_count: number;
  readonly citadel_server_success_cert_issuance_count: number;
  readonly citadel_server_authentication_failure_count: number;
  readonly citadel_server_csr_sign_err_count: number;
  readonly citadel_server_root_cert_expiry_seconds?: number;
  readonly citadel_server_cert_chain_expiry_seconds?: number;
  readonly lateen_identity_tokens_issued_count: number;
}

export function shownCounters(
  counters: Counters,
  ends: { readonly rootMs: number; readonly chainMs: number } | undefined,
  nowMs: number,
): ShownCounters {
  const seconds = (ms: number): number => Math.floor((ms - nowMs) / 1000);
  return {
    citadel_server_csr_count: counters.requests,
    citadel_server_success_cert_issuance_count: counters.issued,
    citadel_server_authentication_failure_count: counters.refused,
    citadel_server_csr_sign_err_count: counters.signErrors,
    ...(ends === undefined
      ? {}
      : {
          citadel_server_root_cert_expiry_seconds: seconds(ends.rootMs),
          citadel_server_cert_chain_expiry_seconds: seconds(ends.chainMs),
        }),
    lateen_identity_tokens_issued_count: counters.tokens,
  };
}
