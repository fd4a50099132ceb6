/** Every command. */
import type { Command } from 'commander';
import { registerAnalyze } from './commands/analyze.ts';
import { registerApply } from './commands/apply.ts';
import { registerAudit } from './commands/audit.ts';
import { registerAuth } from './commands/auth.ts';
import { registerCa } from './commands/ca.ts';
import { registerCompletion } from './commands/completion.ts';
import { registerControl } from './commands/control.ts';
import { registerDescribe } from './commands/describe.ts';
import { registerExplain } from './commands/explain.ts';
import { registerGateway } from './commands/gateway.ts';
import { registerHarden } from './commands/harden.ts';
import { registerNode } from './commands/node.ts';
import { registerProxyConfig } from './commands/proxy-config.ts';
import { registerRead } from './commands/read.ts';
import { registerSecrets } from './commands/secrets.ts';
import { registerSidecar } from './commands/sidecar.ts';
import { registerUp } from './commands/up.ts';

export function registerAll(program: Command): void {
  registerUp(program);
  registerControl(program);
  registerSidecar(program);
  registerGateway(program);
  registerProxyConfig(program);
  registerNode(program);
  registerApply(program);
  registerRead(program);
  registerDescribe(program);
  registerAnalyze(program);
  registerHarden(program);
  registerExplain(program);
  registerAuth(program);
  registerSecrets(program);
  registerAudit(program);
  registerCa(program);
  registerCompletion(program);
}
