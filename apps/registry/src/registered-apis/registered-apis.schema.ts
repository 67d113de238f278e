import { z } from 'zod';
import { uuid, writtenTime } from '@cf/contract';
import { pageQuery } from '@cf/service-kit';
import { answered } from '../http/answered.schema.js';
import { isSet, line, name, perhapsSetSecret, secret, SECRET_CHARS_MAX, secretIsSet, secretOf, setSecret } from '../http/text.schema.js';
import { refuseHeaderName, refuseHeaderValue, type Refusal } from './header-rules.js';
import type { RegisteredApiEntity } from './registered-api.entity.js';
import { registeredApiOf } from './registered-api.kind.js';
import { CA_BUNDLE_CHARS_MAX, CLIENT_PEM_CHARS_MAX, refuseCertificates, refusePrivateKey } from './tls-rules.js';

/** More custom headers than this is a mistake, and all of them must fit what servers accept (mostly 8–16 KiB in sum). */
const HEADERS_MAX = 50;
/** Usual limit of servers and proxies for a whole URL. */
const URL_CHARS_MAX = 2_048;

const header = z.strictObject({
  name: z.string().min(1).max(200),
  value: secretOf(z.string().max(SECRET_CHARS_MAX)),
  secret: z.boolean().default(false),
});

const authorization = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('None') }),
  z.strictObject({ type: z.literal('ApiKey'), keyName: line(200), keyValue: secret, addTo: z.enum(['Header', 'QueryParams']) }),
  z.strictObject({ type: z.literal('Basic'), username: line(1_000, 0), password: secretOf(line(SECRET_CHARS_MAX, 0)) }),
  z.strictObject({ type: z.literal('BearerToken'), token: secret }),
  z.strictObject({
    type: z.literal('OAuth'),
    grantType: z.literal('client_credentials').default('client_credentials'),
    accessTokenUrl: z.string().max(URL_CHARS_MAX),
    clientId: line(1_000),
    clientSecret: secret,
    scope: line(2_000, 0).default(''),
    sendAs: z.enum(['BasicAuthHeader', 'RequestBody']).default('BasicAuthHeader'),
  }),
]);

/** `clientKey: null` removes the key, and is what having no certificate means. */
const tls = z.strictObject({
  caBundle: z.string().max(CA_BUNDLE_CHARS_MAX).nullable().default(null),
  clientCertificate: z.string().max(CLIENT_PEM_CHARS_MAX).nullable().default(null),
  clientKey: secretOf(z.string().max(CLIENT_PEM_CHARS_MAX).nullable()),
});

const refuse = (context: z.RefinementCtx, path: PropertyKey[], refusal: Refusal | null): void => {
  if (refusal === null) return;
  context.addIssue({ code: 'custom', path, message: refusal.detail, params: { code: refusal.code } });
};

type Headers = readonly z.infer<typeof header>[];
type Authorization = z.infer<typeof authorization>;

const checkHeaders = (headers: Headers, { type }: Authorization, context: z.RefinementCtx): void => {
  const seen = new Set<string>();
  headers.forEach(({ name: headerName, value, secret: isSecret }, index) => {
    const lower = headerName.toLowerCase();
    const at = (key: string): PropertyKey[] => ['headers', index, key];
    refuse(context, at('name'), refuseHeaderName(headerName));
    if (value !== undefined) refuse(context, at('value'), refuseHeaderValue(value));
    if (value === undefined && !isSecret) refuse(context, at('value'), { code: 'required', detail: 'is required' });
    if (value === '' && isSecret) refuse(context, at('value'), { code: 'too_small', detail: 'a secret must not be empty' });
    if (seen.has(lower)) refuse(context, at('name'), { code: 'duplicate', detail: 'is there twice' });
    if (lower === 'authorization' && type !== 'None') {
      refuse(context, at('name'), {
        code: 'authorization_conflict',
        detail: `a custom Authorization header is allowed with None only, and the type is ${type}`,
      });
    }
    seen.add(lower);
  });
};

const checkAuthorization = (given: Authorization, headers: Headers, context: z.RefinementCtx): void => {
  const at = (key: string): PropertyKey[] => ['authorization', key];
  if (given.type === 'Basic' && given.username.includes(':')) {
    refuse(context, at('username'), { code: 'colon_in_username', detail: 'must not hold a colon: it separates the password' });
  }
  if (given.type === 'BearerToken' && given.token !== undefined) refuse(context, at('token'), refuseHeaderValue(given.token));
  if (given.type !== 'ApiKey') return;
  // Also for a query parameter: the value is kept when the key moves into a header later.
  if (given.keyValue !== undefined) refuse(context, at('keyValue'), refuseHeaderValue(given.keyValue));
  if (given.addTo !== 'Header') return;
  refuse(context, at('keyName'), refuseHeaderName(given.keyName));
  if (headers.some(({ name: headerName }) => headerName.toLowerCase() === given.keyName.toLowerCase())) {
    refuse(context, at('keyName'), { code: 'duplicate', detail: 'is also the name of a custom header' });
  }
};

const checkTls = ({ caBundle, clientCertificate, clientKey }: z.infer<typeof tls>, context: z.RefinementCtx): void => {
  if (caBundle !== null) refuse(context, ['tls', 'caBundle'], refuseCertificates(caBundle));
  if (clientCertificate !== null) refuse(context, ['tls', 'clientCertificate'], refuseCertificates(clientCertificate));
  if (typeof clientKey !== 'string') return;
  refuse(context, ['tls', 'clientKey'], refusePrivateKey(clientKey));
  if (clientCertificate === null)
    refuse(context, ['tls', 'clientCertificate'], { code: 'required', detail: 'is required: the key belongs to it' });
};

/** POST and PUT alike; which secrets must be there depends on what was there before (`seal-secrets.ts`). */
export const writeRegisteredApi = z
  .strictObject({
    name,
    baseUrl: z.string().max(URL_CHARS_MAX),
    isReadOnly: z.boolean().default(false),
    headers: z.array(header).max(HEADERS_MAX).default([]),
    authorization: authorization.default({ type: 'None' }),
    tls: tls.default({ caBundle: null, clientCertificate: null }),
  })
  .superRefine((request, context) => {
    checkHeaders(request.headers, request.authorization, context);
    checkAuthorization(request.authorization, request.headers, context);
    checkTls(request.tls, context);
  })
  .meta({ id: 'WriteRegisteredApi' });
export type WriteRegisteredApi = z.infer<typeof writeRegisteredApi>;

export const registeredApiExample: z.input<typeof writeRegisteredApi> = {
  name: 'Clinic CRM',
  baseUrl: 'https://crm.example.com/hooks',
  headers: [{ name: 'x-clinic', value: 'north' }],
  authorization: { type: 'ApiKey', keyName: 'x-api-key', keyValue: 'the-key-of-the-crm', addTo: 'Header' },
};

/** A copy has a body only to be named. */
export const copyRegisteredApi = z.strictObject({ name: name.optional() }).optional();
export type CopyRegisteredApi = z.infer<typeof copyRegisteredApi>;

export const listRegisteredApis = z.object({ ...pageQuery, name: line(200).optional() });
export type ListRegisteredApis = z.infer<typeof listRegisteredApis>;

const authorizationAnswer = z.discriminatedUnion('type', [
  z.object({ type: z.literal('None') }),
  z.object({ type: z.literal('ApiKey'), keyName: z.string(), keyValue: setSecret, addTo: z.enum(['Header', 'QueryParams']) }),
  z.object({ type: z.literal('Basic'), username: z.string(), password: setSecret }),
  z.object({ type: z.literal('BearerToken'), token: setSecret }),
  z.object({
    type: z.literal('OAuth'),
    grantType: z.literal('client_credentials'),
    accessTokenUrl: z.string(),
    clientId: z.string(),
    clientSecret: setSecret,
    scope: z.string(),
    sendAs: z.enum(['BasicAuthHeader', 'RequestBody']),
  }),
]);

export const registeredApiAnswer = z
  .object({
    id: uuid,
    orgId: uuid,
    name: z.string(),
    baseUrl: z.string(),
    isReadOnly: z.boolean(),
    headers: z.array(
      z.discriminatedUnion('secret', [
        z.object({ name: z.string(), secret: z.literal(false), value: z.string() }),
        z.object({ name: z.string(), secret: z.literal(true), value: setSecret }),
      ]),
    ),
    authorization: authorizationAnswer,
    tls: z.object({ caBundle: z.string().nullable(), clientCertificate: z.string().nullable(), clientKey: perhapsSetSecret }),
    updatedAt: writtenTime,
    ...answered,
  })
  .meta({ id: 'RegisteredApi' });

/** A sealed value never leaves: every one of them is answered as a secret that is set. */
export const answerRegisteredApi = (row: RegisteredApiEntity): z.infer<typeof registeredApiAnswer> => {
  const api = registeredApiOf(row);
  return {
    ...api,
    headers: api.headers.map((each) =>
      each.secret ? { name: each.name, value: secretIsSet, secret: true } : { name: each.name, value: each.value, secret: false },
    ),
    authorization: answerAuthorization(api.authorization),
    tls: {
      caBundle: api.tls.caBundle,
      clientCertificate: api.tls.clientCertificate,
      clientKey: isSet(api.tls.sealedClientKey),
    },
    createdAt: row.createdAt.toISOString(),
    updatedAt: row.updatedAt.toISOString(),
  };
};

const answerAuthorization = (stored: RegisteredApiEntity['authorization']): z.infer<typeof authorizationAnswer> => {
  switch (stored.type) {
    case 'None':
      return { type: 'None' };
    case 'ApiKey':
      return { type: 'ApiKey', keyName: stored.keyName, keyValue: secretIsSet, addTo: stored.addTo };
    case 'Basic':
      return { type: 'Basic', username: stored.username, password: secretIsSet };
    case 'BearerToken':
      return { type: 'BearerToken', token: secretIsSet };
    case 'OAuth':
      return {
        type: 'OAuth',
        grantType: stored.grantType,
        accessTokenUrl: stored.accessTokenUrl,
        clientId: stored.clientId,
        clientSecret: secretIsSet,
        scope: stored.scope,
        sendAs: stored.sendAs,
      };
  }
};
