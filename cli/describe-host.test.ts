/** `lateen describe host` and `service`, as a person runs them: by files, and by a control plane. */
import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, expect, it } from 'vitest';
import type { TestControl } from '../test/fixtures/control.ts';
import { ADMIN, serviceEntry, startTestControl } from '../test/fixtures/control.ts';

const run = promisify(execFile);
const root = fileURLToPath(new URL('..', import.meta.url));
const files = [
  ['-f', 'examples/bookinfo/offline'],
  ['-f', 'examples/bookinfo/mesh/destination-rule-all.yaml'],
  ['-f', 'examples/bookinfo/mesh/virtual-service-reviews-90-10.yaml'],
].flat();

let control: TestControl;
beforeAll(async () => {
  control = await startTestControl();
  const services = readFileSync(`${root}examples/bookinfo/offline/services.yaml`, 'utf8');
  for (const body of [services, serviceEntry('cart')])
    await control.ask('POST', '/v1/apply', { body });
});
afterAll(() => control.close());

async function lateen(...words: readonly string[]): Promise<string> {
  const env = { ...process.env, LATEEN_SERVER: control.url, LATEEN_TOKEN: ADMIN };
  const { stdout } = await run(process.execPath, ['cli/bin.js', ...words], { cwd: root, env });
  return stdout;
}

it('describes a host of files in sections', async () => {
  const text = await lateen('describe', 'host', 'reviews', ...files);
  expect(text).toContain('Host:        reviews.default.svc.cluster.local');
  expect(text).toMatch(/v3 +version=v3 +0: NONE SELECTED/);
  expect(text).toMatch(/VirtualService default\/reviews spec\.http\[0\].* mesh\n/);
  expect(await lateen('describe', 'service', 'reviews', ...files)).toBe(text);
});

it('takes a host as requests say it, with a port', async () => {
  const text = await lateen('describe', 'host', 'reviews', ...files);
  expect(await lateen('describe', 'host', 'Reviews:9080', ...files)).toBe(text);
});

it('prints data', async () => {
  const text = await lateen('describe', 'host', 'reviews', '-o', 'json', ...files);
  expect(JSON.parse(text)).toMatchObject({ subsets: [{}, {}, { name: 'v3', endpoints: 0 }] });
});

it('describes a stored Service, and behind it its host', async () => {
  const text = await lateen('describe', 'service', 'reviews', '-n', 'default');
  expect(text).toMatch(/^Name: {8}reviews\n[^]*History:\n[^]*\nHost: {8}reviews\.default/);
  const data = await lateen('describe', 'svc/reviews', '-o', 'json');
  expect(JSON.parse(data)).toMatchObject({ kind: 'Service', history: [{}], mesh: { routes: [] } });
});

it('describes a host that a ServiceEntry alone has', async () => {
  const text = await lateen('describe', 'service', 'cart.example.com');
  expect(text).toContain('Service:     ServiceEntry default/cart spec.hosts[0]');
  expect(await lateen('describe', 'host', 'cart.example.com')).toBe(text);
});

it('says what was perhaps meant', async () => {
  await expect(lateen('describe', 'host', 'reviewz')).rejects.toThrow('did you mean reviews?');
  await expect(lateen('describe', 'host', 'reviewz', ...files)).rejects.toThrow('reviews?');
  await expect(lateen('describe', 'host')).rejects.toThrow('which host?');
});

it('is completed', async () => {
  expect(await lateen('completion', 'bash')).toMatch(/"describe"\) words="[^"]* host service /);
});
