/** What a client may repeat, as fast as it is taken: a thread of its own, so that who measures isn't slowed by it. */
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import type { Socket } from 'node:net';
import { isMainThread, workerData } from 'node:worker_threads';
import * as h2 from '../fixtures/http2-frames.ts';

const CONNECTIONS = 40;

type Attack = (socket: Socket) => void;

/** Writes what `make` says again and again, as fast as it is taken; nothing that comes back is read when `isDeaf`. */
function flood(
  make: (i: number) => string | Uint8Array,
  isDeaf = false,
  hello?: Uint8Array,
): Attack {
  return (socket) => {
    if (hello !== undefined) socket.write(hello);
    if (isDeaf) socket.pause();
    else socket.resume();
    let i = 0;
    const more = (): void => {
      if (socket.destroyed) return;
      let hasRoom = true;
      for (let n = 0; n < 8 && hasRoom; n++) {
        const piece = make(i++);
        hasRoom = typeof piece === 'string' ? socket.write(piece, 'latin1') : socket.write(piece);
      }
      if (hasRoom) setTimeout(more, 2);
      else socket.once('drain', more);
    };
    more();
  };
}

const http2 = (make: (i: number) => readonly number[], isDeaf = false): Attack =>
  flood((i) => Uint8Array.from(make(i)), isDeaf, Uint8Array.from(h2.HELLO));

const HEAD = 'Host: shop.test\r\n';
const request = (i: number, fields = ''): string => `GET /a${i} HTTP/1.1\r\n${HEAD}${fields}\r\n`;
const NOISE = randomBytes(500_000).toString('hex');
const noise = (length: number): string => {
  const from = Math.floor(Math.random() * (NOISE.length - length));
  return NOISE.slice(from, from + length);
};
const GET_ON = (i: number): number[] => h2.headers(i * 2 + 1);
const POST_HEAD = `POST /a HTTP/1.1\r\n${HEAD}`;

export const FLOODS: readonly (readonly [name: string, attack: Attack])[] = [
  ['connections that say nothing', (socket) => socket.resume()],
  ['heads that never end', flood((i) => (i === 0 ? `GET / HTTP/1.1\r\n${HEAD}` : `x-${i}: 1\r\n`))],
  ['a request line that never ends', flood((i) => (i === 0 ? 'GET /' : noise(1000)))],
  ['a field that never ends', flood((i) => (i === 0 ? 'GET / HTTP/1.1\r\nx: ' : noise(1000)))],
  ['requests whose answers nobody reads', flood((i) => request(i), true)],
  ['requests without a pause', flood((i) => request(i))],
  ['paths that are always others', flood(() => `GET /${noise(2000)} HTTP/1.1\r\n${HEAD}\r\n`)],
  [
    'hosts that are always others',
    flood(() => `GET / HTTP/1.1\r\nHost: ${noise(20)}.test\r\n\r\n`),
  ],
  [
    'tokens that are always others',
    flood((i) => request(i, `Authorization: Bearer ${noise(30)}.${noise(2000)}.${noise(86)}\r\n`)),
  ],
  [
    'trace contexts that are always others',
    flood((i) =>
      request(i, `traceparent: 00-${noise(32)}-${noise(16)}-01\r\ntracestate: ${noise(400)}\r\n`),
    ),
  ],
  [
    'a chunk whose size never ends',
    flood((i) => (i === 0 ? `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n` : '00000000')),
  ],
  [
    'chunks of a byte',
    flood((i) => (i === 0 ? `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n` : '1\r\nx\r\n')),
  ],
  [
    'trailers that never end',
    flood((i) =>
      i === 0 ? `${POST_HEAD}Transfer-Encoding: chunked\r\n\r\n0\r\n` : `x-${i}: 1\r\n`,
    ),
  ],
  [
    'bodies that are never whole',
    flood((i) => (i === 0 ? `${POST_HEAD}Content-Length: 1000000000\r\n\r\n` : noise(1000)), true),
  ],
  [
    'HTTP/2: streams that are reset at once',
    http2((i) => [...GET_ON(i), ...h2.frame(h2.RST_STREAM, 0, i * 2 + 1, h2.uint32(8))]),
  ],
  ['HTTP/2: streams whose answers nobody reads', http2(GET_ON, true)],
  [
    'HTTP/2: heads that go on',
    http2((i) =>
      i === 0 ? h2.headers(1, h2.GET, 0) : h2.frame(h2.CONTINUATION, 0, 1, new Uint8Array(16_000)),
    ),
  ],
  [
    'HTTP/2: PINGs whose answers nobody reads',
    http2(() => h2.frame(h2.PING, 0, 0, new Uint8Array(8)), true),
  ],
  ['HTTP/2: SETTINGS', http2(() => h2.frame(h2.SETTINGS, 0, 0), true)],
  ['HTTP/2: frames that nobody knows', http2(() => h2.frame(0x77, 0, 0, new Uint8Array(1000)))],
  [
    'HTTP/2: one large field, over and over by its index',
    // Taken into the table once, then named a thousand times by each head.
    http2((i) => {
      const large = noise(3000);
      const length = [0x7f, ((large.length - 127) & 127) | 128, (large.length - 127) >> 7];
      const add = [0x40, 1, 0x78, ...length, ...h2.bytesOf(large)];
      const named = Array.from({ length: 1000 }, () => 0xbe);
      return h2.frame(h2.HEADERS, h2.END_HEADERS | h2.END_STREAM, i * 2 + 1, [
        ...h2.literals(h2.GET),
        ...add,
        ...named,
      ]);
    }),
  ],
  [
    'HTTP/2: crumbs of cookies',
    http2((i) =>
      h2.headers(i * 2 + 1, [
        ...h2.GET,
        ...Array.from({ length: 450 }, (_, n) => ['cookie', `c${n}=1`] as const),
      ]),
    ),
  ],
  [
    'HTTP/2: bodies that are never whole',
    http2(
      (i) =>
        i % 2 === 0
          ? h2.headers(i + 1, h2.POST, h2.END_HEADERS)
          : h2.frame(h2.DATA, 0, i, new Uint8Array(16_000)),
      true,
    ),
  ],
];

function begin(port: number, attack: Attack): void {
  const socket = connect({ host: '127.0.0.1', port, noDelay: true });
  socket.on('error', () => undefined);
  // Who is sent away comes again.
  socket.on('close', () => setTimeout(() => begin(port, attack), 5));
  attack(socket);
}

if (!isMainThread) {
  const { port, index } = workerData as { readonly port: number; readonly index: number };
  const attack = FLOODS[index]?.[1];
  if (attack === undefined) throw new Error(`there is no flood ${index}`);
  for (let i = 0; i < CONNECTIONS; i++) begin(port, attack);
}
