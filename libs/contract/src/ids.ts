import { v5 } from 'uuid';
import { z } from 'zod';

/** Namespace of every id that is derived rather than drawn; changing it would make each running invocation a new one. */
const NAMESPACE = '8a4f5f0e-6f0b-4b53-9a55-6a1c5f9f3d21';

/** Any RFC 4122 text form, whatever its version bits: ids are made by other systems and passed on as they came. */
export const uuid = z
  .string()
  .regex(/^[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}$/, 'must be a uuid')
  .meta({ format: 'uuid' });

/** Ids are compared without regard to case (wire.md): every map, row and derived id uses this form. */
export const sameId = (id: string): string => {
  const lower = id.toLowerCase();
  // The given text rather than its copy: maps that live long would hold both, and a copy must be hashed anew.
  return lower === id ? id : lower;
};

/** One id per (organization, request id): the same request sent twice is one invocation, another organization's never is. */
export const stepInvocationId = (orgId: string, requestId: string): string => v5(`step:${sameId(orgId)}:${sameId(requestId)}`, NAMESPACE);

/** One id per (trigger, event), however often the event is delivered. Trigger ids are unique over all organizations. */
export const triggerInvocationId = (triggerId: string, eventId: string): string =>
  v5(`trigger:${sameId(triggerId)}:${sameId(eventId)}`, NAMESPACE);
