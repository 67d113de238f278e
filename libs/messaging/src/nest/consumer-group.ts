import { applyDecorators, Injectable } from '@nestjs/common';
import { DiscoveryService } from '@nestjs/core';
import type { AssignedPartition, LogRecord, TopicPartition } from '../log.js';
import type { Bulkhead, ParallelConsumerOptions } from '../parallel-consumer-options.js';
import type { UnreadableMessage } from '../unreadable-message.js';

export type ConsumerGroupLimits = Omit<ParallelConsumerOptions, 'group' | 'topics' | 'coPartitioned'>;

/**
 * What the provider of a consumer group may say about its records. `delivered`, `orderKey` and `bulkhead` are called for every record:
 * synchronous, cheap, from headers or the key rather than the value.
 */
export interface ConsumerGroupHooks {
  readonly limits: ConsumerGroupLimits;
  /** In offset order, before the record starts: calls may start in another order. */
  delivered?(record: LogRecord): void;
  /** Records with the same key run one at a time in the order of delivery; null is unordered. Default: unordered. */
  orderKey?(record: LogRecord): string | null;
  /** Read anew at each dispatch. Default: bounded by the group's limit alone. */
  bulkhead?(record: LogRecord): Bulkhead | null;
  /** Awaited before the first record of newly owned partitions is dispatched. */
  assigned?(partitions: readonly AssignedPartition[]): Promise<void>;
  lost?(partitions: readonly TopicPartition[]): void;
  /** A record that cannot be read. True: handled here (what follows is acknowledged); false: dead letter. Default: dead letter. */
  unreadable?(record: LogRecord, error: UnreadableMessage): Promise<boolean>;
  /** The tries for an error that is not retryable are used up. True: handled here. Default: dead letter `handler_failed`. */
  failed?(record: LogRecord, error: unknown): Promise<boolean>;
}

export interface ConsumerGroupMetadata {
  readonly name: string;
  readonly coPartitioned: boolean;
}

export const ConsumerGroupMarker = DiscoveryService.createDecorator<ConsumerGroupMetadata>();

/**
 * Makes an injectable provider the consumer group of that name; its methods are the hooks.
 * `coPartitioned`: partition i of all its topics goes to the same member.
 */
export const ConsumerGroup = (
  name: string,
  options: { readonly coPartitioned?: boolean } = {},
): (<C extends new (...args: never[]) => ConsumerGroupHooks>(target: C) => void) =>
  applyDecorators(Injectable(), ConsumerGroupMarker({ name, coPartitioned: options.coPartitioned ?? false }));
