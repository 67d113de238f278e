import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

export const root = join(import.meta.dirname, '..');

/** A program under measurement: its process, what it printed first, the CPU time it used. */
export class Candidate {
  readonly ready: Promise<string>;

  private constructor(private readonly child: ChildProcess) {
    this.ready = new Promise((resolve, reject) => {
      let output = '';
      child.stdout?.on('data', (chunk: Buffer) => {
        output += chunk.toString();
        if (/\bready\b/.test(output)) resolve(output);
      });
      child.once('exit', (code) => reject(new Error(`a candidate ended with ${code}`)));
    });
    this.ready.catch(() => undefined);
  }

  static run(script: string, env: Record<string, string>, args: string[] = []): Candidate {
    const flags = ['--disable-warning=TimeoutNegativeWarning', '--disable-warning=ExperimentalWarning'];
    return Candidate.runProgram(process.execPath, [...flags, join(root, script), ...args], env);
  }

  static runProgram(program: string, args: readonly string[], env: Record<string, string>): Candidate {
    return new Candidate(
      spawn(program, args, {
        env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
        stdio: ['ignore', 'pipe', 'inherit'],
      }),
    );
  }

  get pid(): number {
    return this.child.pid ?? 0;
  }

  /** User and system time in ms, as Linux counts it; null elsewhere. */
  cpuMs(): number | null {
    try {
      const stat = readFileSync(`/proc/${this.child.pid}/stat`, 'utf8');
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      return (Number(fields[11]) + Number(fields[12])) * 10;
    } catch {
      return null;
    }
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const exited = once(this.child, 'exit');
    this.child.kill(signal);
    const late = setTimeout(() => this.child.kill('SIGKILL'), 40_000);
    await exited;
    clearTimeout(late);
  }
}
