import type { MessageOf, Topic } from '@cf/contract';
import { UseFilters } from '@nestjs/common';
import { EventPattern } from '@nestjs/microservices';
import { PARAM_ARGS_METADATA } from '@nestjs/microservices/constants.js';
import type { MessageContext } from './message-context.js';
import { RethrowErrors } from './rethrow-errors.filter.js';

export interface Subscription {
  readonly topic: Topic;
  readonly group: string;
}

/** Marks a transport's own handlers, so that another strategy in the same application does not take them. */
export const LOG_TRANSPORT = Symbol('log');

/** Parameters of which Nest knows nothing get the arguments as they are, without a chain of promises for the pipes of each. */
const AS_GIVEN = {};

export const subscriptionPattern = ({ topic, group }: Subscription): string => `${group}/${topic.name}`;

/**
 * Subscribes a method of a Nest controller to a topic, for a consumer group. The method gets a validated message and its context;
 * once its promise resolves the record counts as done, so everything that follows from it must be acknowledged by then.
 * A rejection with `retryable: true` is tried again for as long as the partition is owned, any other one three times.
 */
export const OnMessage =
  <T extends Topic>(topic: T, group: string) =>
  <H extends (message: MessageOf<T>, context: MessageContext) => Promise<void>>(
    target: object,
    key: string | symbol,
    descriptor: TypedPropertyDescriptor<H>,
  ): void => {
    const subscription: Subscription = { topic, group };
    EventPattern<string>(subscriptionPattern(subscription), LOG_TRANSPORT, { subscription })(target, key, descriptor);
    Reflect.defineMetadata(PARAM_ARGS_METADATA, AS_GIVEN, target.constructor, key);
    UseFilters(RethrowErrors)(target, key, descriptor);
  };
