/** Requests as people and programs word them, held against what can be asked. */
import { isFields } from '../lib/fields.ts';
import { isIp } from '../lib/cidr.ts';
import type { SimulatedRequest } from './decision.ts';

export interface RequestFault {
  readonly path: readonly (string | number)[];
  readonly message: string;
}

type Check = (value: unknown) => string | readonly RequestFault[] | undefined;

const TOKEN = /^[-!#$%&'*+.^_`|~0-9A-Za-z]+$/;
const BREAKS = /[\0\r\n]/;
const MAX_PORT = 65_535;

const text: Check = (value) => (typeof value === 'string' ? undefined : 'want text');
const named: Check = (value) =>
  typeof value === 'string' && value !== '' ? undefined : 'want text that is not empty';
const truth: Check = (value) => (typeof value === 'boolean' ? undefined : 'want true or false');
const address: Check = (value) =>
  typeof value === 'string' && isIp(value) ? undefined : 'want an IP address';
const scheme: Check = (value) =>
  value === 'http' || value === 'https' ? undefined : 'want http or https';
const proof: Check = (value) =>
  value === 'credential' || value === 'platform' || value === 'none'
    ? undefined
    : 'want credential, platform or none';
const port: Check = (value) =>
  Number.isInteger(value) && Number(value) >= 1 && Number(value) <= MAX_PORT
    ? undefined
    : `want a number from 1 to ${MAX_PORT}`;

const headers: Check = (value) => {
  if (!Array.isArray(value)) return 'want a list of [name, value]';
  return value.flatMap((pair: unknown, index): RequestFault[] => {
    const [name, content, ...rest] = Array.isArray(pair) ? (pair as unknown[]) : [];
    if (typeof name !== 'string' || typeof content !== 'string' || rest.length > 0)
      return [{ path: [index], message: 'want [name, value]' }];
    if (!TOKEN.test(name)) return [{ path: [index, 0], message: 'is no name of a header' }];
    return BREAKS.test(content)
      ? [{ path: [index, 1], message: 'a value has no line breaks and no NUL' }]
      : [];
  });
};

const fields =
  (checks: Readonly<Record<string, Check>>): Check =>
  (value) => {
    if (!isFields(value)) return 'want fields';
    return Object.entries(value).flatMap(([key, content]): RequestFault[] => {
      const check = Object.hasOwn(checks, key) ? checks[key] : undefined;
      const found =
        check === undefined
          ? `is no field, there are ${Object.keys(checks).join(', ')}`
          : check(content);
      if (found === undefined) return [];
      return typeof found === 'string'
        ? [{ path: [key], message: found }]
        : found.map(({ path, message }) => ({ path: [key, ...path], message }));
    });
  };

const request: Check = fields({
  method: text,
  scheme,
  host: text,
  port,
  path: text,
  headers,
  peer: fields({ ip: address, principal: named, country: named, proof }),
  tls: fields({ sni: text, mutual: truth }),
} satisfies Record<keyof SimulatedRequest, Check>);

/** All of them; empty = a SimulatedRequest. */
export function requestFaults(value: unknown): readonly RequestFault[] {
  const found = request(value) ?? [];
  return typeof found === 'string' ? [{ path: [], message: found }] : found;
}
