/** Headers by the keys of the part, and what presets say. */

export const HEADERS = {
  strictTransportSecurity: 'strict-transport-security',
  contentSecurityPolicy: 'content-security-policy',
  contentSecurityPolicyReportOnly: 'content-security-policy-report-only',
  contentTypeOptions: 'x-content-type-options',
  referrerPolicy: 'referrer-policy',
  permissionsPolicy: 'permissions-policy',
  frameOptions: 'x-frame-options',
  crossOriginOpenerPolicy: 'cross-origin-opener-policy',
  crossOriginEmbedderPolicy: 'cross-origin-embedder-policy',
  crossOriginResourcePolicy: 'cross-origin-resource-policy',
} as const;

export type HeaderKey = keyof typeof HEADERS;

export interface Preset {
  readonly headers: Readonly<Partial<Record<HeaderKey, string>>>;
  readonly remove: readonly string[];
}

/** Telling what serves a site tells what to try on it. */
const TELLTALES = ['server', 'x-powered-by', 'x-aspnet-version', 'x-aspnetmvc-version'];

export const PRESETS: Readonly<Record<'strict' | 'api' | 'off', Preset>> = {
  strict: {
    headers: {
      strictTransportSecurity: 'max-age=31536000; includeSubDomains',
      contentSecurityPolicy:
        "default-src 'self'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'; object-src 'none'",
      contentTypeOptions: 'nosniff',
      // Not no-referrer: with it, browsers send forms with an Origin of null.
      referrerPolicy: 'same-origin',
      permissionsPolicy: 'camera=(), geolocation=(), microphone=(), payment=(), usb=()',
      frameOptions: 'DENY',
      crossOriginOpenerPolicy: 'same-origin',
      crossOriginEmbedderPolicy: 'require-corp',
      crossOriginResourcePolicy: 'same-origin',
    },
    remove: TELLTALES,
  },
  api: {
    headers: {
      strictTransportSecurity: 'max-age=31536000; includeSubDomains',
      contentSecurityPolicy: "default-src 'none'; frame-ancestors 'none'",
      contentTypeOptions: 'nosniff',
      referrerPolicy: 'no-referrer',
      frameOptions: 'DENY',
      crossOriginResourcePolicy: 'same-origin',
    },
    remove: TELLTALES,
  },
  off: { headers: {}, remove: [] },
};
