import { Controller } from '@nestjs/common';
import { type DeadLetter, deadLetters } from '@cf/contract';
import { type MessageContext, OnMessage } from '@cf/messaging';
import { EXECUTIONS_GROUP } from './executions.group.js';
import { BatchWriter } from './recording/batch-writer.js';
import { DeadLettersRepository } from './recording/dead-letters.repository.js';

/** A letter is at most 2 MiB; they are rare, and one write at a time keeps them from crowding out results. */
const BATCH_LIMITS = { itemsMax: 100, bytesMax: 8 * 1024 * 1024, writesAtOnceMax: 1 };

@Controller()
export class DeadLettersConsumer {
  private readonly letters: BatchWriter<DeadLetter>;

  constructor(repository: DeadLettersRepository) {
    this.letters = new BatchWriter((letters) => repository.insert(letters), BATCH_LIMITS);
  }

  @OnMessage(deadLetters, EXECUTIONS_GROUP)
  onDeadLetter(letter: DeadLetter, { bytes }: MessageContext): Promise<void> {
    return this.letters.add(letter, bytes);
  }
}
