/** The list of revoked certificates for those who don't read snapshots (RFC 5280, 5): one for each signer. */
import { Problem } from '../problem.ts';
import type { Core } from './core.ts';
import { issuedAfter } from './issued.ts';
import { authorityKeyId } from './leaf.ts';
import type { Denied, Generation } from './records.ts';
import { signingGeneration } from './signers.ts';
import type { View } from './view.ts';
import type { Bytes } from './x509.ts';
import { OID, signAlgorithm, wholeSecondMs, x509 } from './x509.ts';

/** Until when a list holds; it is made anew at half of that. */
const LIFE_MS = 24 * 3_600_000;

export interface RevocationList {
  readonly der: Bytes;
  readonly number: number;
}

export interface RevocationLists {
  /** Of the signer that is, or of one before it. @throws Problem 404, 409, 503 */
  of(generation: number | undefined): Promise<RevocationList>;
}

interface Made extends RevocationList {
  readonly view: View;
  readonly atMs: number;
}

interface Revoked {
  readonly serial: string;
  readonly atMs: number;
}

/** INTEGER (X.690, 8.3), non-negative. */
function integer(value: number): Bytes {
  let hex = value.toString(16);
  hex = hex.length % 2 === 0 ? hex : `0${hex}`;
  if (Number.parseInt(hex.slice(0, 2), 16) >= 0x80) hex = `00${hex}`;
  const bytes = (hex.match(/../g) ?? []).map((byte) => Number.parseInt(byte, 16));
  return new Uint8Array([2, bytes.length, ...bytes]);
}

/** A serial that the log doesn't know may be anybody's: it stands in every list. */
async function revokedBy(core: Core, view: View, generation: number): Promise<Revoked[]> {
  const revoked = new Map<string, number>();
  for (const { name, atMs, generation: signer = generation } of view.serials.values())
    if (signer === generation) revoked.set(name, atMs);
  if (view.identities.size > 0)
    for await (const record of issuedAfter(core.store, core.nowMs())) {
      const denied: Denied | undefined = view.identities.get(record.identity);
      if (denied !== undefined && record.generation === generation)
        revoked.set(record.serial, denied.atMs);
    }
  return [...revoked].map(([serial, atMs]) => ({ serial, atMs }));
}

async function makeList(
  core: Core,
  { generation, revoked, number }: { generation: Generation; revoked: Revoked[]; number: number },
): Promise<Bytes> {
  const signer = await core.signers.of(generation);
  const usage = signer.certificate.getExtension(x509.KeyUsagesExtension);
  if (usage !== null && (usage.usages & x509.KeyUsageFlags.cRLSign) === 0)
    throw new Problem(
      409,
      'conflict',
      'the issuing certificate lacks cRLSign: plug one in that has it, or read the deny-list from snapshots',
    );
  const nowMs = wholeSecondMs(core.nowMs());
  const list = await x509.X509CrlGenerator.create({
    issuer: signer.certificate.subjectName,
    thisUpdate: new Date(nowMs),
    nextUpdate: new Date(nowMs + LIFE_MS),
    signingAlgorithm: signAlgorithm(signer.kind),
    signingKey: signer.key,
    entries: revoked.map(({ serial, atMs }) => ({
      serialNumber: serial.length % 2 === 0 ? serial : `0${serial}`,
      revocationDate: new Date(wholeSecondMs(atMs)),
    })),
    extensions: [
      await authorityKeyId(signer),
      new x509.Extension(OID.crlNumber, false, integer(number)),
    ],
  });
  return new Uint8Array(list.rawData);
}

export function createRevocationLists(core: Core): RevocationLists {
  const made = new Map<number, Made>();
  const making = new Map<number, Promise<Made>>();
  const make = async (view: View, generation: Generation): Promise<Made> => {
    const atMs = core.nowMs();
    // Grows even if two are made in a second; and over a restart, as time does.
    const before = made.get(generation.generation)?.number ?? 0;
    const number = Math.max(before + 1, Math.floor(atMs / 1000));
    const revoked = await revokedBy(core, view, generation.generation);
    const der = await makeList(core, { generation, revoked, number });
    return { view, atMs, der, number };
  };
  return {
    async of(wanted) {
      const view = await core.views.current();
      const generation =
        wanted === undefined ? signingGeneration(view) : view.generations.get(wanted);
      if (generation === undefined) throw new Problem(404, 'not found', `no signer ${wanted}`);
      const name = generation.generation;
      const known = made.get(name);
      if (known?.view === view && core.nowMs() - known.atMs < LIFE_MS / 2) return known;
      for (const old of made.keys()) if (!view.generations.has(old)) made.delete(old);
      let work = making.get(name);
      if (work === undefined) {
        work = make(view, generation).finally(() => making.delete(name));
        making.set(name, work);
      }
      const list = await work;
      made.set(name, list);
      return list;
    },
  };
}
