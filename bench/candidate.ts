import { type ChildProcess, spawn } from 'node:child_process';
import { EventEmitter, once } from 'node:events';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { NODE_FLAGS } from '../tools/run/launch.mjs';

export const root = join(import.meta.dirname, '..');

/** A program under measurement: its process, what it printed first, the CPU time it used. */
export class Candidate {
  readonly ready: Promise<string>;
  private output = '';
  private readonly printed = new EventEmitter();

  private constructor(private readonly child: ChildProcess) {
    child.stdout?.on('data', (chunk: Buffer) => {
      this.output += chunk.toString();
      this.printed.emit('more');
    });
    child.once('exit', (code) => this.printed.emit('ended', code));
    this.ready = this.says(/\bready\b/);
    this.ready.catch(() => undefined);
  }

  /** Resolves with what it printed since the last thing that was waited for, once that matches. */
  private says(pattern: RegExp): Promise<string> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => reject(new Error(`a candidate ended with ${code}`));
      const look = (): void => {
        if (!pattern.test(this.output)) return;
        this.printed.off('more', look).off('ended', ended);
        resolve(this.output);
        this.output = '';
      };
      this.printed.on('more', look).once('ended', ended);
    });
  }

  /** Writes a line to its input and waits for the answer. */
  ask(line: string, answer: RegExp): Promise<string> {
    const said = this.says(answer);
    this.child.stdin?.write(`${line}\n`);
    return said;
  }

  static run(script: string, env: Record<string, string>, args: string[] = []): Candidate {
    const flags = [...NODE_FLAGS, '--disable-warning=ExperimentalWarning'];
    return Candidate.runProgram(process.execPath, [...flags, join(root, script), ...args], env);
  }

  static runProgram(program: string, args: readonly string[], env: Record<string, string>): Candidate {
    return new Candidate(
      spawn(program, args, {
        env: { PATH: process.env['PATH'] ?? '', HOME: process.env['HOME'] ?? '', ...env },
        stdio: ['pipe', 'pipe', 'inherit'],
      }),
    );
  }

  /** As `ask`, by a signal. */
  signal(signal: NodeJS.Signals, answer: RegExp): Promise<string> {
    const said = this.says(answer);
    this.child.kill(signal);
    return said;
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

  /** Resident memory, as Linux counts it. */
  rssMiB(): number {
    const status = readFileSync(`/proc/${this.child.pid}/status`, 'utf8');
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1_024);
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
