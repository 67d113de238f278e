import { accessTokenKind } from '../access-tokens/access-token.kind.js';
import { cloudFunctionKind } from '../cloud-functions/cloud-function.kind.js';
import { organizationKind } from '../organizations/organization.kind.js';
import { registeredApiKind } from '../registered-apis/registered-api.kind.js';
import { triggerKind } from '../triggers/trigger.kind.js';
import type { PublishedKind } from './published-kind.js';

/** Every kind of resource that travels. The change log reads rows through them and never needs their exact types. */
export const publishedKinds = [
  organizationKind,
  accessTokenKind,
  registeredApiKind,
  cloudFunctionKind,
  triggerKind,
] as readonly unknown[] as readonly PublishedKind[];
