import { Injectable } from '@nestjs/common';

/** Changes that a writer waits for. Make it before the transaction commits: an acknowledgement that is quicker is not missed. */
export interface AwaitedChanges {
  add(changeId: string): void;
  /** True once all are acknowledged by the broker, false when the time is over. */
  acknowledged(waitMs: number): Promise<boolean>;
  forget(): void;
}

/** Tells writers of this process which changes the relay, here or in another process, has published. */
@Injectable()
export class Acknowledgements {
  private readonly waiting = new Map<string, () => void>();

  published(changeId: string): void {
    this.waiting.get(changeId)?.();
    this.waiting.delete(changeId);
  }

  expect(): AwaitedChanges {
    const changes: { id: string; published: Promise<void> }[] = [];
    const forget = (): void => changes.forEach(({ id }) => this.waiting.delete(id));
    return {
      add: (id) => {
        changes.push({ id, published: new Promise((resolve) => this.waiting.set(id, resolve)) });
      },
      acknowledged: async (waitMs) => {
        let timer: NodeJS.Timeout | undefined;
        const late = new Promise<false>((resolve) => {
          timer = setTimeout(() => resolve(false), waitMs);
        });
        const all = Promise.all(changes.map(({ published }) => published)).then(() => true);
        try {
          return await Promise.race([all, late]);
        } finally {
          clearTimeout(timer);
          forget();
        }
      },
      forget,
    };
  }
}
