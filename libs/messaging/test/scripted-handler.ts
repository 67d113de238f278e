import type { LogRecord } from '../src/log.js';
import type { RecordContext } from '../src/parallel-consumer-options.js';

interface Call {
  readonly signal: AbortSignal;
  readonly yieldSlot: () => void;
  readonly settle: (error?: unknown) => void;
}

const nameOf = ({ partition, offset }: LogRecord): string => `${partition}:${offset}`;

/** A handler whose calls end when the test says so. Calls are named `partition:offset`. */
export class ScriptedHandler {
  /** In the order of their starts, each try anew. */
  readonly started: string[] = [];
  readonly ended: string[] = [];
  runningMax = 0;
  /** Records for which this gives something end by themselves: null resolves, an error rejects. */
  readonly byItself = new Map<string, (tries: number) => Error | null>();
  private readonly calls = new Map<string, Call>();
  private readonly tries = new Map<string, number>();

  constructor(private readonly endsAtOnce = false) {}

  readonly handle = async (record: LogRecord, { signal, yieldSlot }: RecordContext): Promise<void> => {
    const name = nameOf(record);
    this.started.push(name);
    const tries = (this.tries.get(name) ?? 0) + 1;
    this.tries.set(name, tries);
    const answer = this.byItself.get(name)?.(tries);
    if (answer) throw answer;
    if (answer === undefined && !this.endsAtOnce) {
      await new Promise<void>((resolve, reject) => {
        this.calls.set(name, { signal, yieldSlot, settle: (error) => (error === undefined ? resolve() : reject(error)) });
        this.runningMax = Math.max(this.runningMax, this.calls.size);
      });
    }
    this.ended.push(name);
  };

  get running(): string[] {
    return [...this.calls.keys()];
  }

  signalOf(name: string): AbortSignal {
    return this.call(name).signal;
  }

  yieldSlot(name: string): void {
    this.call(name).yieldSlot();
  }

  end(name: string, error?: unknown): void {
    const call = this.call(name);
    this.calls.delete(name);
    call.settle(error);
  }

  endAll(): void {
    for (const name of this.running) this.end(name);
  }

  private call(name: string): Call {
    const call = this.calls.get(name);
    if (call === undefined) throw new Error(`${name} does not run, but ${this.running.join(', ') || 'nothing'}`);
    return call;
  }
}
