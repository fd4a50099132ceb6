/** A gateway of several processes: one port, one configuration, one set of counters. */
import { execFileSync } from 'node:child_process';
import { get } from 'node:http';
import { createServer } from 'node:net';
import type { AddressInfo } from 'node:net';
import { connect } from 'node:tls';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { certificatePem, keyPem } from '../fixtures/certificates.ts';
import {
  createBench,
  shopMesh,
  startGateway,
  startLoad,
  waitFor,
} from '../fixtures/node-process.ts';
import type { Bench, Lateen } from '../fixtures/node-process.ts';

// Each test starts processes, beside whatever else this machine has to do.
vi.setConfig({ testTimeout: 90_000 });

let bench: Bench;
beforeEach(async () => {
  bench = await createBench();
});
afterEach(async () => {
  await bench.close();
});

interface Status {
  readonly pid: number;
  readonly state: string;
  readonly workers: readonly { readonly pid: number; readonly ready: boolean }[];
}

async function status(): Promise<Status> {
  return JSON.parse((await bench.ask('/node')).text) as Status;
}

const start = (...more: readonly string[]): Promise<Lateen> =>
  startGateway(bench, '--workers', '2', ...more);

function fetchText(path: string): Promise<string> {
  return fetch(`http://127.0.0.1:${bench.port}${path}`).then((response) => response.text());
}

function sumOf(text: string, name: string): number {
  return text
    .split('\n')
    .filter((line) => line.startsWith(`${name}{`))
    .reduce((sum, line) => sum + Number(line.slice(line.lastIndexOf(' '))), 0);
}

/** Those that compile for it; `ps` writes a line for each process. */
async function compilers(): Promise<readonly number[]> {
  const { pid } = await status();
  return execFileSync('ps', ['-A', '-o', 'pid=,ppid=,args='], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim().split(/ +/))
    .filter(([, parent, ...args]) => parent === String(pid) && /compile-main/.test(args.join(' ')))
    .map(([own]) => Number(own));
}

describe('compiling files', () => {
  const edit = (prefix: string): void =>
    writeFileSync(
      join(bench.folder, 'mesh.yaml'),
      shopMesh(bench.app.port).replace('prefix: /cart', `prefix: ${prefix}`),
    );
  const shows = (prefix: string): Promise<void> =>
    waitFor(prefix, async () => (await bench.ask('/config_dump')).text.includes(prefix));

  it('is done by a process that ends when it is idle, and comes again with a change', async () => {
    await startGateway(bench, '--workers', '1');
    expect(await compilers()).toHaveLength(1);
    await waitFor('it to end', async () => (await compilers()).length === 0);
    edit('/edited');
    await shows('/edited');
    const [pid = 0] = await compilers();
    process.kill(pid, 'SIGKILL');
    edit('/again');
    await shows('/again');
    expect(await fetchText('/again')).toBe('app /again');
  });
});

describe('gateway of two workers', () => {
  it('says what listens where, and shows what it was given', async () => {
    const gateway = await start();
    expect(gateway.stderr).toMatch(
      /lateen gateway ingressgateway\.default is ready in \d+ ms \(2 workers/,
    );
    expect(gateway.stderr).toContain(`127.0.0.1:${bench.port} for port 80`);
    expect(await fetchText('/cart')).toBe('app /cart');
    const shown = async (what: string): Promise<string> =>
      (await bench.run(['proxy-config', what, '--admin', bench.admin])).stdout;
    expect(await shown('listeners')).toMatch(
      new RegExp(`^ADDRESSES .*\\n127\\.0\\.0\\.1:${bench.port} +80 +gateway +HTTP`),
    );
    expect(await shown('routes')).toMatch(/\/cart\* +outbound\|80\|.*VirtualService default\/shop/);
    expect(await shown('clusters')).toContain('shop.default.svc.cluster.local');
    expect(await shown('endpoints')).toMatch(
      new RegExp(`127\\.0\\.0\\.1:${bench.app.port} +HEALTHY`),
    );
    expect(await shown('secrets')).toMatch(/^RESOURCE NAME/);
    const asJson = await bench.run([
      'proxy-config',
      'routes',
      '-o',
      'json',
      '--admin',
      bench.admin,
    ]);
    expect((JSON.parse(asJson.stdout) as unknown[]).length).toBeGreaterThan(0);
    const { stdout } = await bench.run(['node', 'status']);
    expect(stdout).toMatch(
      new RegExp(`default/ingressgateway +gateway +${gateway.pid} +ready +2/2 +0`),
    );
  });

  it('loses nothing but what a killed worker had under way, and starts another', async () => {
    await start('--access-log', 'off');
    const clients = 8;
    const load = startLoad({ port: bench.port, clients, keepAlive: false, path: '/?ms=5' });
    await waitFor('load', () => load.answered > 100);
    const [victim] = (await status()).workers;
    process.kill(victim?.pid ?? 0, 'SIGKILL');
    await waitFor('a new worker', async () => {
      const { workers, state } = await status();
      return state === 'ready' && workers.every(({ pid }) => pid !== victim?.pid);
    });
    const before = load.answered;
    await waitFor('load after it', () => load.answered > before + 100);
    await load.stop();
    // A client has one request under way, and a connection is refused by nobody.
    expect(load.failures.length).toBeLessThanOrEqual(clients);
    expect(load.failures.map(({ code }) => code).filter((code) => code !== 'ECONNRESET')).toEqual(
      [],
    );
    const { text } = await bench.ask('/stats');
    expect(sumOf(text, 'lateen_requests_total')).toBeGreaterThan(100);
  });

  it('goes on counting where a killed worker stopped, in valid text', async () => {
    await start('--access-log', 'off');
    for (let i = 0; i < 40; i++) await fetchText('/');
    expect(sumOf((await bench.ask('/stats')).text, 'lateen_requests_total')).toBe(40);
    const pids = (await status()).workers.map(({ pid }) => pid);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    await waitFor('new workers', async () => {
      const { workers } = await status();
      return workers.every(({ pid, ready }) => ready && !pids.includes(pid));
    });
    for (let i = 0; i < 10; i++) await fetchText('/');
    const { text } = await bench.ask('/stats');
    expect(sumOf(text, 'lateen_requests_total')).toBe(50);
    const families = [...text.matchAll(/^# TYPE (\S+) (?:counter|gauge)$/gm)].map(
      ([, name]) => name,
    );
    expect(new Set(families).size).toBe(families.length);
    for (const line of text.trimEnd().split('\n'))
      expect(line).toMatch(
        /^(?:# (?:HELP|TYPE) \w+ .+|\w+(?:\{(?:\w+="(?:[^"\\]|\\.)*",?)*\})? -?[\d.e+-]+)$/,
      );
  });

  it('opens and closes ports as its configuration says, in every worker', async () => {
    const gateway = await start('--map', `81=${bench.port + 1}`);
    const second = shopMesh(bench.app.port).replace(
      "hosts: ['*']}]}",
      "hosts: ['*']}, {port: {number: 81, name: two, protocol: HTTP}, hosts: ['*']}]}",
    );
    const ask = (): Promise<boolean> =>
      fetch(`http://127.0.0.1:${bench.port + 1}/`).then(
        async (response) => (await response.text()) === 'app /',
        () => false,
      );
    expect(await ask()).toBe(false);
    for (let round = 0; round < 2; round++) {
      writeFileSync(join(bench.folder, 'mesh.yaml'), second);
      await waitFor('a second port', ask);
      writeFileSync(join(bench.folder, 'mesh.yaml'), shopMesh(bench.app.port));
      await waitFor('its end', async () => !(await ask()));
    }
    expect(gateway.stderr).not.toContain('error');
  });

  it("says once that a port can't be had, for all workers and as long as it is so", async () => {
    const other = createServer();
    await new Promise<void>((resolve) => {
      other.listen(0, '127.0.0.1', resolve);
    });
    const { port } = other.address() as AddressInfo;
    const gateway = await start('--map', `81=${port}`);
    const edit = (prefix: string): void =>
      writeFileSync(
        join(bench.folder, 'mesh.yaml'),
        shopMesh(bench.app.port)
          .replace(
            "hosts: ['*']}]}",
            "hosts: ['*']}, {port: {number: 81, name: two, protocol: HTTP}, hosts: ['*']}]}",
          )
          .replace('prefix: /cart', `prefix: ${prefix}`),
      );
    for (const prefix of ['/one', '/two', '/three']) {
      edit(prefix);
      await waitFor(prefix, async () => (await bench.ask('/config_dump')).text.includes(prefix));
    }
    const said = (): number => gateway.stdout.split(`port ${port} can't be listened on`).length - 1;
    await waitFor('the line', () => said() > 0);
    expect(said()).toBe(1);
    await new Promise<void>((resolve) => {
      other.close(() => resolve());
    });
    edit('/four');
    await waitFor('the port', () =>
      fetch(`http://127.0.0.1:${port}/`).then(
        () => true,
        () => false,
      ),
    );
  });

  it('drains: refuses what is new, finishes what is under way', async () => {
    const gateway = await start('--access-log', 'off');
    const slow = fetch(`http://127.0.0.1:${bench.port}/?ms=4000`);
    await waitFor('the request', () => bench.app.requests === 1);
    expect((await bench.run(['node', 'drain'])).stdout).toContain(`pid ${gateway.pid} drains`);
    await waitFor('the end of listening', () =>
      fetch(`http://127.0.0.1:${bench.port}/`).then(
        () => false,
        () => true,
      ),
    );
    const response = await slow;
    expect(response.headers.get('connection')).toBe('close');
    expect(await response.text()).toBe('app /?ms=4000');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    expect((await bench.run(['node', 'status'])).code).toBe(1);
  });

  it('cuts at the deadline, and at once on a second signal', async () => {
    const gateway = await start('--drain-timeout', '300ms');
    const cut = fetch(`http://127.0.0.1:${bench.port}/?ms=9000`);
    await waitFor('the request', () => bench.app.requests === 1);
    gateway.kill('SIGTERM');
    await expect(cut).rejects.toThrow('fetch failed');
    expect((await gateway.ended).code).toBe(0);
    expect(gateway.stdout).toContain('connections were cut at the deadline');

    const patient = await start();
    const long = fetch(`http://127.0.0.1:${bench.port}/?ms=9000`);
    await waitFor('the request', () => bench.app.requests === 2);
    patient.kill('SIGINT');
    await new Promise((resolve) => {
      setTimeout(resolve, 600);
    });
    patient.kill('SIGINT');
    await expect(long).rejects.toThrow('fetch failed');
    expect((await patient.ended).code).toBe(130);
  });
});

describe('a gateway that no Gateway selects', () => {
  it('says by what it is selected, and listens as soon as one selects it', async () => {
    const gateway = await start('-l', 'istio=nothing', '-n', 'edge');
    expect(gateway.stderr).toMatch(
      /warning: no Gateway .*selects this proxy \(labels istio=nothing; namespace edge\)/,
    );
    const mesh = shopMesh(bench.app.port);
    writeFileSync(join(bench.folder, 'mesh.yaml'), 'kind: [');
    await gateway.until(/LAT0001/);
    const selected = mesh.replace('istio: ingressgateway', 'istio: nothing');
    writeFileSync(join(bench.folder, 'mesh.yaml'), selected);
    await waitFor('a port', () =>
      fetchText('/').then(
        (text) => text === 'app /',
        () => false,
      ),
    );
    await gateway.until(/mesh\.yaml: the configuration is in force again/);
  });
});

describe('Secrets of the configuration', () => {
  const TLS = 'tls: {mode: SIMPLE, credentialName: cert}';
  const secret = (key: string): string =>
    `---\napiVersion: v1\nkind: Secret\nmetadata: {name: cert}\nstringData:\n  tls.crt: ${JSON.stringify(certificatePem)}\n  tls.key: ${JSON.stringify(key)}\n`;
  const mesh = (key?: string): string =>
    shopMesh(bench.app.port)
      .replace("protocol: HTTP}, hosts: ['*']}]", `protocol: HTTPS}, hosts: ['*'], ${TLS}}]`)
      .concat(key === undefined ? '' : secret(key));
  const write = (text: string): void => writeFileSync(join(bench.folder, 'mesh.yaml'), text);
  const handshake = (): Promise<boolean> =>
    new Promise((resolve) => {
      const options = { host: '127.0.0.1', port: bench.port, rejectUnauthorized: false };
      const socket = connect(options, () => {
        socket.destroy();
        resolve(true);
      });
      socket.on('error', () => resolve(false));
    });

  it('are said when they are missing or broken, before anybody calls; the last good one stays', async () => {
    write(mesh());
    const gateway = await start();
    await gateway.until(/"no Secret default\/cert, .*"port":80/);
    write(mesh('no key'));
    await gateway.until(
      /"a Secret can not be used","credential":"default\/cert","reason":"the private/,
    );
    write(mesh(keyPem));
    await waitFor('a handshake', handshake);
    write(mesh('again no key'));
    await gateway.until(/"a changed Secret can not be used, the last good one stays"/);
    expect(await handshake()).toBe(true);
  });
});

describe('hot restart', () => {
  it.each(['1', '2'])('refuses and loses nothing, %s workers', async (workers) => {
    const gateway = await start('--access-log', 'off', '--workers', workers);
    const fresh = startLoad({ port: bench.port, clients: 4, keepAlive: false });
    const kept = startLoad({ port: bench.port, clients: 4, keepAlive: true, path: '/?ms=2' });
    await waitFor('load', () => fresh.answered > 50 && kept.answered > 50);
    const { stdout, stderr } = await bench.run(['node', 'restart']);
    expect(stdout + stderr).toMatch(/^pid \d+ took over/);
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    const now = await status();
    expect(now.pid).not.toBe(gateway.pid);
    expect(now.state).toBe('ready');
    const before = fresh.answered;
    await waitFor('load after it', () => fresh.answered > before + 50);
    await Promise.all([fresh.stop(), kept.stop()]);
    expect([...fresh.failures, ...kept.failures]).toEqual([]);
    expect((await bench.run(['node', 'status'])).stdout).toContain(` ${now.pid} `);
  });

  it('goes on with what it has when the new one can not start, and says why', async () => {
    const gateway = await start();
    const [path] = [join(bench.folder, 'mesh.yaml')];
    writeFileSync(path, '');
    const { code, stderr } = await bench.run(['node', 'restart']);
    expect(code).toBe(1);
    expect(stderr).toMatch(/not restarted, it goes on: .+/);
    expect(await fetchText('/')).toBe('app /');
    expect(gateway.hasEnded).toBe(false);
    writeFileSync(path, shopMesh(bench.app.port));
    gateway.kill('SIGUSR2');
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    expect(await fetchText('/')).toBe('app /');
  });
});

describe('a start that can not succeed', () => {
  const run = (...args: readonly string[]): ReturnType<Bench['run']> =>
    bench.run(['gateway', '--admin', bench.admin, '--listen', '127.0.0.1', ...args]);

  it('says which port is in use and what to do', async () => {
    const squatter = createServer().listen(bench.port, '127.0.0.1');
    const { code, stderr } = await run('--config', 'mesh.yaml', '--map', `80=${bench.port}`);
    squatter.close();
    expect(code).toBe(1);
    expect(stderr).toContain(
      `127.0.0.1:${bench.port} is in use: stop what listens there, or --map`,
    );
  });

  it('says that it has no configuration', async () => {
    const { code, stderr } = await run();
    expect(code).toBe(2);
    expect(stderr).toContain('give --config <file or folder>, or --server');
  });

  it('says that such a node runs already', async () => {
    await start();
    const { code, stderr } = await run('--config', 'mesh.yaml');
    expect(code).toBe(1);
    expect(stderr).toContain('runs already');
  });

  it.each([
    [['--map', '80'], '--map 80: want port=port'],
    [['--workers', 'many'], '--workers many: want auto'],
    [['--drain-timeout', 'soon'], '--drain-timeout soon: want a time'],
    [['--max-connections', 'few'], '--max-connections few: want a number'],
    [['--access-log', 'maybe'], '--access-log maybe'],
    [['--admin', 'here'], '--admin here: want [host:]port'],
  ])('refuses %j', async (args, text) => {
    const { code, stderr } = await run('--config', 'mesh.yaml', ...args);
    expect(code).toBe(2);
    expect(stderr).toContain(text);
  });
});

describe('a node without an admin endpoint', () => {
  it('is found by its record, and told by signals', async () => {
    const gateway = await start('--admin', 'off', '--workers', '1');
    expect((await bench.run(['node', 'status'])).stdout).toContain(` ${gateway.pid} `);
    const { stdout } = await bench.run(['node', 'restart']);
    const pid = Number(/pid (\d+) took over/.exec(stdout)?.[1]);
    expect(await gateway.ended).toEqual({ code: 0, signal: null });
    expect(await fetchText('/')).toBe('app /');
    expect((await bench.run(['node', 'drain'])).stdout).toContain(`pid ${pid} drains`);
    await waitFor('its end', () => {
      try {
        return !process.kill(pid, 0);
      } catch {
        return true;
      }
    });
  });
});

describe('a proxy that hangs', () => {
  it('is listed among those that run', async () => {
    const gateway = await start();
    gateway.kill('SIGSTOP');
    const { stdout } = await bench.run(['node', 'status']);
    expect(stdout).toMatch(
      new RegExp(`default/ingressgateway +gateway +${gateway.pid} +does not answer`),
    );
    gateway.kill('SIGCONT');
    expect((await bench.run(['node', 'status'])).stdout).toMatch(/ready +2\/2/);
  });
});

describe('admin endpoint', () => {
  it('answers no page of a browser', async () => {
    await start();
    const post = (headers: Record<string, string>): Promise<number> =>
      new Promise((resolve, reject) => {
        const [host, port] = bench.admin.split(':');
        const request = get({ host, port, path: '/drain', method: 'POST', headers }, (response) => {
          response.resume();
          resolve(response.statusCode ?? 0);
        });
        request.on('error', reject);
      });
    expect(await post({ origin: 'http://evil.test' })).toBe(403);
    expect(await post({ host: 'evil.test' })).toBe(403);
    expect((await bench.ask('/readyz')).text).toBe('ready\n');
  });

  it('stands on a socket of the file system, also after a restart', async () => {
    const socket = join(bench.folder, 'admin.sock');
    const gateway = bench.start([
      'gateway',
      '--config',
      'mesh.yaml',
      '--map',
      `80=${bench.port}`,
      '--listen',
      '127.0.0.1',
      '--admin',
      socket,
      '--workers',
      '1',
    ]);
    await gateway.until(/is ready in/);
    expect((await bench.run(['node', 'restart'])).stdout).toContain('took over');
    await gateway.ended;
    const { stdout } = await bench.run(['node', 'status', '--admin', socket, '-o', 'json']);
    const [now] = JSON.parse(stdout) as [{ readonly pid: number }];
    expect(now.pid).not.toBe(gateway.pid);
    expect((await bench.run(['node', 'drain', '--admin', socket])).stdout).toContain('drains');
    await waitFor('its end', () => {
      try {
        return !process.kill(now.pid, 0);
      } catch {
        return true;
      }
    });
  });
});
