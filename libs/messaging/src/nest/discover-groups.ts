import { DiscoveryService, ModulesContainer } from '@nestjs/core';
import type { INestApplicationContext } from '@nestjs/common';
import type { MessageHandler } from '@nestjs/microservices';
import { MessagingError } from '../errors.js';
import { ConsumerGroupMarker, type ConsumerGroupHooks } from './consumer-group.js';
import type { TopicHandler } from './group-handlers.js';
import type { Subscription } from './on-message.js';

export interface DiscoveredGroup {
  readonly name: string;
  readonly coPartitioned: boolean;
  readonly hooks: ConsumerGroupHooks;
  /** By topic name. */
  readonly handlers: ReadonlyMap<string, TopicHandler>;
}

const misconfigured = (problem: string): MessagingError => new MessagingError('misconfigured_subscriptions', problem, false);

interface ListedHandler {
  readonly pattern: string;
  readonly handler: MessageHandler;
}

/**
 * The consumer groups of an application with their handlers. What would lose messages in silence refuses the start and says what
 * to write: a group twice, a group that nothing subscribes for, a subscription without a group, a topic handled twice in one group.
 */
export const discoverGroups = (app: INestApplicationContext, listed: readonly ListedHandler[]): DiscoveredGroup[] => {
  const discovery = new DiscoveryService(app.get(ModulesContainer));
  const groups = new Map<string, DiscoveredGroup & { readonly handlers: Map<string, TopicHandler> }>();
  for (const wrapper of discovery.getProviders()) {
    const marker = wrapper.metatype === null ? undefined : discovery.getMetadataByDecorator(ConsumerGroupMarker, wrapper);
    const hooks = wrapper.instance as ConsumerGroupHooks | undefined;
    if (marker === undefined || hooks === undefined) continue;
    const known = groups.get(marker.name);
    if (known !== undefined && known.hooks !== hooks) {
      throw misconfigured(`Two providers are @ConsumerGroup('${marker.name}'): give a group one provider, in one module.`);
    }
    groups.set(marker.name, { ...marker, hooks, handlers: known?.handlers ?? new Map() });
  }
  for (const { pattern, handler } of listed) {
    const { subscription } = handler.extras as { readonly subscription: Subscription };
    const group = groups.get(subscription.group);
    if (group === undefined) {
      throw misconfigured(
        `@OnMessage(…, '${subscription.group}') for ${subscription.topic.name} has no group: provide a class with @ConsumerGroup('${subscription.group}').`,
      );
    }
    if (handler.next !== undefined) {
      throw misconfigured(`Two methods subscribe to ${pattern}: a group handles a topic once; remove one or give it a group of its own.`);
    }
    group.handlers.set(subscription.topic.name, { topic: subscription.topic, handler });
  }
  for (const { name, handlers } of groups.values()) {
    if (handlers.size > 0) continue;
    throw misconfigured(`@ConsumerGroup('${name}') has no subscription: write a controller method with @OnMessage(topic, '${name}').`);
  }
  return [...groups.values()];
};
