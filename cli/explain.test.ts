/** `lateen explain` by files, as a person runs it: what a request is made of, and what it may not be made of. */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { describe, expect, it } from 'vitest';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const files = ['-f', 'examples/bookinfo/offline'];
const front = ['--as', 'gateway', '-n', 'istio-system', '-l', 'istio=ingressgateway'];
const url = 'http://shop:8080/productpage';

async function explain(...words: readonly string[]): Promise<string> {
  const { stdout } = await run(process.execPath, ['cli/bin.js', 'explain', ...files, ...words], {
    cwd: root,
  });
  return stdout;
}

const atFront = (...words: readonly string[]): Promise<string> =>
  explain('-f', 'examples/bookinfo/mesh/bookinfo-gateway.yaml', ...front, ...words);

describe('a URL', () => {
  it('without a path asks for /, with its query and without its fragment', async () => {
    const text = await atFront('http://shop:8080?x=1#top');
    expect(text).toContain('path is "/", want exact /productpage');
  });

  it('gives its place as the authority to a Host field', async () => {
    expect(await atFront('-H', 'Host: other', url)).toContain('as other/productpage');
  });

  it.each([
    ['user information', ['http://me:word@shop:8080/'], 'has user information'],
    ['a port that is none', ['--port', 'http', url], 'request port: want a number'],
    ['a proxy that runs', ['--proxy', 'a/b', url], 'give it or -f, not both'],
  ])('with %s is refused', async (_name, words, wanted) => {
    await expect(atFront(...words)).rejects.toThrow(wanted);
  });
});

it('refuses a --request that is none, in words', async () => {
  await expect(atFront('--request', '{"host":5}')).rejects.toThrow('request host: want text');
});

it('takes the short name of the service that is served', async () => {
  const text = await explain('--as', 'inbound', '--service', 'reviews', 'http://reviews:9080/');
  expect(text).toContain('(Service default/reviews metadata.name at');
  expect(text).toContain('forward to reviews.default.svc.cluster.local:9080');
});

it('shows the status of gRPC beside that of HTTP', async () => {
  const text = await atFront('-H', 'content-type: application/grpc', 'http://shop:8080/a.B/C');
  expect(text).toContain('respond 200 grpc-status 12 NR route_not_found');
});
