import { z } from 'zod';
import { uuid } from './ids.js';
import { RETENTION_DAYS, TOPIC_MESSAGE_BYTES_MAX } from './limits.js';
import { rfc3339 } from './timestamp.js';
import { defineTopic } from './topic.js';
import { scope } from './vocabularies.js';

/** A secret as it travels and rests: `<key id>.<iv>.<tag>.<ciphertext>`, AES-256-GCM, AAD = org id and resource id. */
export const sealedSecret = z.string().min(1);

/** Fields with a default were added later: a record of the version before lacks them. */
export const organization = z.object({
  id: uuid,
  name: z.string(),
  cloudFunctionsEnabled: z.boolean(),
  retentionDays: z.number().int().min(1).default(RETENTION_DAYS.default),
});

/** PEM texts beside the public roots: authorities to trust for this API, and the certificate that we show it. */
export const registeredApiTls = z.object({
  caBundle: z.string().nullable(),
  clientCertificate: z.string().nullable(),
  sealedClientKey: sealedSecret.nullable(),
});
export const plainTls: z.infer<typeof registeredApiTls> = { caBundle: null, clientCertificate: null, sealedClientKey: null };

export const registeredApi = z.object({
  id: uuid,
  orgId: uuid,
  name: z.string(),
  baseUrl: z.string(),
  isReadOnly: z.boolean(),
  headers: z.array(
    z.discriminatedUnion('secret', [
      z.object({ name: z.string(), secret: z.literal(false), value: z.string() }),
      z.object({ name: z.string(), secret: z.literal(true), sealedValue: sealedSecret }),
    ]),
  ),
  authorization: z.discriminatedUnion('type', [
    z.object({ type: z.literal('None') }),
    z.object({ type: z.literal('ApiKey'), keyName: z.string(), sealedKeyValue: sealedSecret, addTo: z.enum(['Header', 'QueryParams']) }),
    z.object({ type: z.literal('Basic'), username: z.string(), sealedPassword: sealedSecret }),
    z.object({ type: z.literal('BearerToken'), sealedToken: sealedSecret }),
    z.object({
      type: z.literal('OAuth'),
      grantType: z.literal('client_credentials'),
      accessTokenUrl: z.string(),
      clientId: z.string(),
      sealedClientSecret: sealedSecret,
      scope: z.string(),
      sendAs: z.enum(['BasicAuthHeader', 'RequestBody']),
    }),
  ]),
  tls: registeredApiTls.default(plainTls),
});

/** While a secret is rotated the one before it signs too, until `expiresAt`. */
export const functionSigning = z.object({
  enabled: z.boolean(),
  scheme: z.enum(['medchat', 'standard-webhooks']).default('medchat'),
  sealedSecret: sealedSecret.nullable(),
  previous: z.object({ sealedSecret, expiresAt: rfc3339 }).nullable().default(null),
});
export const unsigned: z.infer<typeof functionSigning> = { enabled: false, scheme: 'medchat', sealedSecret: null, previous: null };

/** `triggersPaused`: triggers' work waits. A new `circuitResetAt` closes the function's breakers everywhere. */
export const cloudFunction = z.object({
  id: uuid,
  orgId: uuid,
  name: z.string(),
  registeredApiId: uuid,
  endpointUrl: z.string(),
  branchOptions: z.array(z.string()),
  enabled: z.boolean(),
  timeoutMs: z.number().int(),
  maxConcurrency: z.number().int(),
  signing: functionSigning,
  triggersPaused: z.boolean().default(false),
  circuitResetAt: rfc3339.nullable().default(null),
});

/** The token itself is never stored: `hash` is the SHA-256 of its text, in hex. */
export const accessToken = z.object({
  id: uuid,
  orgId: uuid,
  name: z.string(),
  hash: z.string(),
  scopes: z.array(scope),
  expiresAt: rfc3339.nullable(),
});

export const triggerFilter = z.object({
  property: z.enum(['EventType', 'Topic', 'Widget', 'PhoneNumber']),
  operator: z.enum(['matches', 'doesNotMatch']),
  values: z.array(z.string()),
});
export const triggerCategory = z.enum(['ExternalBots', 'Subscriptions', 'MessagePosted', 'ChatStatus', 'ChatContext', 'RegisteredChats']);
export const triggerEvent = z.object({ category: triggerCategory, filters: z.array(triggerFilter) });

export const trigger = z.object({
  id: uuid,
  orgId: uuid,
  name: z.string(),
  actionType: z.literal('CloudFunction'),
  cloudFunctionId: uuid,
  enabled: z.boolean(),
  triggerEvents: z.array(triggerEvent),
  loopGuardLimit: z.number().int().nullable().default(null),
});

export type Organization = z.infer<typeof organization>;
export type RegisteredApi = z.infer<typeof registeredApi>;
export type RegisteredApiTls = z.infer<typeof registeredApiTls>;
export type FunctionSigning = z.infer<typeof functionSigning>;
export type CloudFunction = z.infer<typeof cloudFunction>;
export type AccessToken = z.infer<typeof accessToken>;
export type TriggerFilter = z.infer<typeof triggerFilter>;
export type TriggerCategory = z.infer<typeof triggerCategory>;
export type TriggerEvent = z.infer<typeof triggerEvent>;
export type Trigger = z.infer<typeof trigger>;

const identity = { id: uuid, version: z.number().int().min(1) };
const changeOf = <Type extends string, Resource extends z.ZodType>(type: Type, resource: Resource) =>
  [
    z.object({ type: z.literal(type), ...identity, deleted: z.literal(false), resource }),
    z.object({ type: z.literal(type), ...identity, deleted: z.literal(true), resource: z.null() }),
  ] as const;

/** The full state of one resource, or that it is gone. A version never goes back (guarantees.md §6). */
export const registryChange = z.union([
  ...changeOf('organization', organization),
  ...changeOf('registered-api', registeredApi),
  ...changeOf('cloud-function', cloudFunction),
  ...changeOf('access-token', accessToken),
]);
export const triggerChange = z.union([...changeOf('trigger', trigger)]);
export type RegistryChange = z.infer<typeof registryChange>;
export type TriggerChange = z.infer<typeof triggerChange>;

export const registryChanges = defineTopic({
  name: 'registry.changes',
  message: 'RegistryChange',
  schema: registryChange,
  keyDescription: 'resource id',
  key: (change) => change.id,
  cleanup: 'compact',
  partitions: 'one',
  retentionMs: null,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: {
    type: 'cloud-function',
    id: 'c1b2a3d4-0000-4000-8000-000000000001',
    version: 3,
    deleted: false,
    resource: {
      id: 'c1b2a3d4-0000-4000-8000-000000000001',
      orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
      name: 'Schedule appointment',
      registeredApiId: 'b1b2a3d4-0000-4000-8000-000000000002',
      endpointUrl: 'appointments/schedule',
      branchOptions: ['Scheduled', 'NotScheduled'],
      enabled: true,
      timeoutMs: 10_000,
      maxConcurrency: 50,
      signing: unsigned,
      triggersPaused: false,
      circuitResetAt: null,
    },
  },
});

export const registryTriggers = defineTopic({
  name: 'registry.triggers',
  message: 'TriggerChange',
  schema: triggerChange,
  keyDescription: 'trigger id',
  key: (change) => change.id,
  cleanup: 'compact',
  partitions: 'one',
  retentionMs: null,
  messageBytesMax: TOPIC_MESSAGE_BYTES_MAX,
  example: {
    type: 'trigger',
    id: 'a7b2a3d4-0000-4000-8000-000000000007',
    version: 1,
    deleted: false,
    resource: {
      id: 'a7b2a3d4-0000-4000-8000-000000000007',
      orgId: '0d1c7a52-8f1e-4a0e-9a63-0c6a1c6f5d11',
      name: 'Tell the CRM',
      actionType: 'CloudFunction',
      cloudFunctionId: 'c1b2a3d4-0000-4000-8000-000000000001',
      enabled: true,
      triggerEvents: [{ category: 'ChatStatus', filters: [{ property: 'EventType', operator: 'matches', values: ['ChatOpened'] }] }],
      loopGuardLimit: null,
    },
  },
});
