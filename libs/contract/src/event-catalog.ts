import { z } from 'zod';
import { chatEvent } from './chat-event.js';
import type { TriggerCategory, TriggerFilter } from './registry-change.js';
import { uuid } from './ids.js';

type FilterProperty = TriggerFilter['property'];

const chat = { chatId: uuid, widgetId: uuid, widgetTopicId: uuid };
const registered = { ...chat, registeredChatId: uuid };
const subscription = { phoneNumberId: uuid, recipientPhoneNumber: z.string() };
const externalBot = { chatId: uuid, executionId: uuid, chatBotId: uuid, stepId: z.string(), flowIdentifier: z.string() };

const ids = {
  orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
  chatId: '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10',
  widgetId: '1c8f3f0a-5a0b-4b0d-9c79-1f2d3c4b5a60',
  widgetTopicId: '2d9f4f1b-6b1c-4c1e-8d8a-2f3e4d5c6b71',
};
const chatExample = { chatId: ids.chatId, widgetId: ids.widgetId, widgetTopicId: ids.widgetTopicId };
const registeredExample = { ...chatExample, registeredChatId: '4e0a5b2c-7c2d-4d2f-9e9b-3a4b5c6d7e82' };
const subscriptionExample = { phoneNumberId: '5f1b6c3d-8d3e-4e3a-8fac-4b5c6d7e8f93', recipientPhoneNumber: '2175551234' };

const types = {
  ExternalBotFlowTriggered: [
    externalBot,
    {
      chatId: ids.chatId,
      executionId: '3a4f4e7e-65f2-4b8f-a8a2-6d1a3b1f9c55',
      chatBotId: '5d0e2a0b-3f43-4a79-9d0a-0f7b0f0f6a77',
      stepId: 'step-7',
      flowIdentifier: 'ExternalScheduler',
    },
  ],
  SmsSubscribed: [subscription, subscriptionExample],
  SmsUnsubscribed: [subscription, subscriptionExample],
  MessagePosted: [
    { ...chat, messageId: uuid },
    { ...chatExample, messageId: '6a2c7d4e-9e4f-4f4b-90bd-5c6d7e8f9aa4' },
  ],
  ChatOpened: [chat, chatExample],
  ChatEnded: [chat, chatExample],
  ChatArchived: [chat, chatExample],
  ChatContextUpdated: [chat, chatExample],
  RegisteredChatStarted: [registered, registeredExample],
  UserVerificationAbandoned: [registered, registeredExample],
  UserVerificationSucceeded: [registered, registeredExample],
} as const satisfies Record<string, readonly [z.core.$ZodLooseShape, Record<string, string>]>;

export type EventType = keyof typeof types;

export interface CatalogCategory {
  readonly category: TriggerCategory;
  readonly label: string;
  readonly types: readonly EventType[];
  readonly filterProperties: readonly FilterProperty[];
}

/** The event catalog of product.md §6 as data: a new type is a new line here and nothing else. */
export const eventCatalog: readonly CatalogCategory[] = [
  { category: 'ExternalBots', label: 'External Bots', types: ['ExternalBotFlowTriggered'], filterProperties: ['EventType'] },
  {
    category: 'Subscriptions',
    label: 'Subscriptions',
    types: ['SmsSubscribed', 'SmsUnsubscribed'],
    filterProperties: ['EventType', 'PhoneNumber'],
  },
  { category: 'MessagePosted', label: 'Message Posted', types: ['MessagePosted'], filterProperties: ['EventType', 'Topic', 'Widget'] },
  {
    category: 'ChatStatus',
    label: 'Chat Status',
    types: ['ChatOpened', 'ChatEnded', 'ChatArchived'],
    filterProperties: ['EventType', 'Topic', 'Widget'],
  },
  { category: 'ChatContext', label: 'Chat Context', types: ['ChatContextUpdated'], filterProperties: ['EventType', 'Topic', 'Widget'] },
  {
    category: 'RegisteredChats',
    label: 'Registered Chats',
    types: ['RegisteredChatStarted', 'UserVerificationAbandoned', 'UserVerificationSucceeded'],
    filterProperties: ['EventType', 'Topic', 'Widget'],
  },
];

/** The event property that each filter property compares (wire.md §2); ids are compared without regard to case. */
export const filteredProperty: Readonly<Record<FilterProperty, 'type' | 'widgetTopicId' | 'widgetId' | 'phoneNumberId'>> = {
  EventType: 'type',
  Topic: 'widgetTopicId',
  Widget: 'widgetId',
  PhoneNumber: 'phoneNumberId',
};

export const eventTypes = Object.keys(types) as EventType[];

const categoryByType = new Map(
  eventCatalog.flatMap(({ category, types: names }) => names.map((name) => [name as string, category] as const)),
);

/** The category of an event type, undefined for a type that the catalog lacks (it matches no trigger). */
export const categoryOf = (eventType: string): TriggerCategory | undefined => categoryByType.get(eventType);

/** Schema of one event type: the envelope and the keys that the type brings. Unknown keys are allowed. */
export const eventSchema = (type: EventType): z.ZodType => chatEvent.extend({ type: z.literal(type), ...types[type][0] });

/** JSON Schema 2020-12 of one event type. */
export const eventJsonSchema = (type: EventType): object => z.toJSONSchema(eventSchema(type), { io: 'input' });

export const eventExample = (type: EventType): Record<string, string> => ({
  type,
  id: '6f1f2c3e-52a5-4a63-8a4e-0f8f5f6d1a10',
  orgId: ids.orgId,
  timestamp: '2026-11-22T15:04:05.123Z',
  ...types[type][1],
});
