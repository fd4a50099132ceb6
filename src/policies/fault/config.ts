/** fault of a route; percents 0 to 100. */
export interface FaultConfig {
  readonly delay?: { readonly ms: number; readonly percent: number };
  readonly abort?: {
    readonly status: number;
    readonly grpcStatus?: number;
    readonly percent: number;
  };
}
