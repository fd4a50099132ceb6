/** What a server says of itself when it is greeted, and whether another could stand in for it. */
import type { Unpacked } from './envelope.ts';
import { OP, readSections } from './envelope.ts';
import { Elements } from './bson.ts';
import { HEADER_BYTES } from './framing.ts';

export interface Greeting {
  readonly isOk: boolean;
  readonly minWireVersion: number;
  readonly maxWireVersion: number;
  /** Undefined = it doesn't say. */
  readonly maxBsonObjectSize: number | undefined;
  readonly maxMessageSizeBytes: number | undefined;
  readonly maxWriteBatchSize: number | undefined;
  /** It is a member of a replica set, and says where the others are. */
  readonly isMember: boolean;
  /** It is a router of a sharded cluster (mongos). */
  readonly isRouter: boolean;
  /** Those of the client's that it takes. */
  readonly compression: readonly string[];
}

type Draft = { -readonly [Field in keyof Greeting]: Greeting[Field] };

const MAX_ELEMENTS = 200;
const MAX_COMPRESSORS = 8;
/** Behind flags, cursor, start and number of documents. */
const OLD_HEAD_BYTES = 20;

function texts(elements: Elements): string[] {
  const found: string[] = [];
  const inner = elements.inner();
  while (inner?.step() === true && found.length < MAX_COMPRESSORS) found.push(inner.string());
  return found;
}

function readElement(draft: Draft, elements: Elements): void {
  const { key } = elements;
  switch (key) {
    case 'ok':
      draft.isOk = elements.number() === 1;
      break;
    case 'minWireVersion':
    case 'maxWireVersion':
      draft[key] = elements.number() ?? 0;
      break;
    case 'maxBsonObjectSize':
    case 'maxMessageSizeBytes':
    case 'maxWriteBatchSize':
      draft[key] = elements.number();
      break;
    case 'setName':
    case 'hosts':
    case 'isreplicaset':
      draft.isMember = true;
      break;
    case 'msg':
      draft.isRouter = elements.string() === 'isdbgrid';
      break;
    case 'compression':
      draft.compression = texts(elements);
      break;
    default:
  }
}

/** Undefined = it is no answer, or malformed. */
export function readGreeting({ opCode, body }: Unpacked): Greeting | undefined {
  const sections = opCode === OP.msg ? readSections(body) : undefined;
  const at = opCode === OP.reply ? HEADER_BYTES + OLD_HEAD_BYTES : (sections?.document ?? -1);
  if (at < 0) return undefined;
  const draft: Draft = {
    isOk: false,
    minWireVersion: 0,
    maxWireVersion: 0,
    maxBsonObjectSize: undefined,
    maxMessageSizeBytes: undefined,
    maxWriteBatchSize: undefined,
    isMember: false,
    isRouter: false,
    compression: [],
  };
  const elements = new Elements(body, at, sections?.end ?? body.length);
  for (let i = 0; i < MAX_ELEMENTS && elements.step(); i++) readElement(draft, elements);
  return elements.isBroken ? undefined : draft;
}

const LIMITS = ['maxBsonObjectSize', 'maxMessageSizeBytes', 'maxWriteBatchSize'] as const;

/** Why a client that was told `told` can't go on with who says `other`; undefined = it can. */
export function mismatchOf(told: Greeting, other: Greeting): string | undefined {
  if (!other.isOk) return 'it refuses the hello that the client began with';
  if (other.maxWireVersion < told.maxWireVersion || other.minWireVersion > told.maxWireVersion)
    return `its wire versions are ${other.minWireVersion} to ${other.maxWireVersion}, and the client was told ${told.maxWireVersion}`;
  const missing = told.compression.find((name) => !other.compression.includes(name));
  if (missing !== undefined) return `it doesn't take ${missing}, which the client was told`;
  const keepsSessions = other.isMember || other.isRouter;
  if ((told.isMember || told.isRouter) && !keepsSessions)
    return 'it takes no retryable writes, and the client was told that they are taken';
  for (const limit of LIMITS) {
    const most = other[limit];
    if (most !== undefined && most < (told[limit] ?? 0))
      return `its ${limit} is ${most}, and the client was told ${told[limit]}`;
  }
  return undefined;
}
