import {
  type CloudFunction,
  type FailureReason,
  type InvocationRequest,
  type Organization,
  type RegisteredApi,
  STEP_INVOKER_MARGIN_MS,
} from '@cf/contract';

/** What a request is looked up in; `RegistryCache` is one. */
export interface Configuration {
  organization(orgId: string): Organization | undefined;
  cloudFunction(orgId: string, id: string): CloudFunction | undefined;
  registeredApi(orgId: string, id: string): RegisteredApi | undefined;
}

export type Admission =
  | { readonly admitted: true; readonly cloudFunction: CloudFunction; readonly api: RegisteredApi }
  | {
      readonly admitted: false;
      readonly reason: Extract<FailureReason, 'feature_disabled' | 'function_unknown' | 'function_disabled'>;
      readonly detail: string;
      /** True when the answer may only be that this process has not heard of it yet. */
      readonly unknown: boolean;
    }
  /** The function exists and its triggers wait until it is resumed. */
  | { readonly admitted: 'later' };

const refused = (reason: Extract<Admission, { admitted: false }>['reason'], detail: string, unknown: boolean): Admission => ({
  admitted: false,
  reason,
  detail,
  unknown,
});

/** Whether the function may be called, by the configuration of today. */
export const admitRequest = (request: InvocationRequest, configuration: Configuration): Admission => {
  const { orgId, cloudFunctionId } = request;
  const organization = configuration.organization(orgId);
  if (organization === undefined) return refused('feature_disabled', 'the organization is unknown', true);
  if (!organization.cloudFunctionsEnabled) return refused('feature_disabled', 'Cloud Functions are off for the organization', false);
  const cloudFunction = configuration.cloudFunction(orgId, cloudFunctionId);
  if (cloudFunction === undefined) return refused('function_unknown', 'the function is unknown', true);
  if (cloudFunction.triggersPaused && request.kind === 'trigger' && !request.test) return { admitted: 'later' };
  const api = configuration.registeredApi(orgId, cloudFunction.registeredApiId);
  if (api === undefined) return refused('function_unknown', 'the Registered API of the function is unknown', true);
  if (!cloudFunction.enabled) return refused('function_disabled', 'the function is disabled', false);
  return { admitted: true, cloudFunction, api };
};

/** The time by which a call must have ended so that its result arrives by the deadline; null without a deadline. */
export const lastMomentMs = ({ deadline }: InvocationRequest): number | null =>
  deadline === null ? null : Date.parse(deadline) - STEP_INVOKER_MARGIN_MS;
