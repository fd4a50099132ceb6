/** What comes by a front; `listenerPort` is the port in the snapshot. */
export type FrontRole =
  | { readonly kind: 'gateway' | 'inbound'; readonly listenerPort: number }
  /** Everything is for one host; `authority` is what a client of the mesh would call it. */
  | {
      readonly kind: 'service';
      readonly listenerPort: number;
      readonly host: string;
      readonly authority: string;
    }
  /** The request says where it goes. */
  | { readonly kind: 'proxy' };
