import { randomUUID } from 'node:crypto';
import type { EventType, StepRequest, StepResult, TriggerCategory } from '@cf/contract';
import { eventExample, stepRequests } from '@cf/contract';
import type { Answer, Api } from './api.js';

export interface ExecutionRow {
  readonly invocationId: string;
  readonly kind: string;
  readonly status: string;
  readonly triggerId: string | null;
  readonly branch: unknown;
  readonly branchReason: string | null;
  readonly returnValue: string | null;
  readonly attempts?: readonly { number: number; origin: string; httpStatus: number | null; failureReason: string | null }[];
}

/** One organization with a token that may do everything, and short words for what its developers do. */
export class Tenant {
  private constructor(
    readonly api: Api,
    readonly orgId: string,
    readonly token: string,
  ) {}

  static async create(operator: Api, name = 'Clinic', cloudFunctionsEnabled = true): Promise<Tenant> {
    const { id } = await operator.created('/v1/organizations', { name, cloudFunctionsEnabled });
    const resources = ['registered-apis', 'cloud-functions', 'triggers'].flatMap((resource) => [`${resource}:read`, `${resource}:write`]);
    const { token } = await operator.created(`/v1/orgs/${id}/access-tokens`, {
      name: 'e2e',
      scopes: [...resources, 'executions:read', 'executions:write', 'executions:reveal', 'chat-events:publish', 'step-executions:run'],
    });
    return new Tenant(operator.as(String(token)), id, String(token));
  }

  path(rest: string): string {
    return `/v1/orgs/${this.orgId}/${rest}`;
  }

  /** A function at `endpointUrl` of an API with this base URL; answers the function's id. */
  async createFunction(baseUrl: string, endpointUrl: string, rest: object = {}, api: object = {}): Promise<string> {
    const registered = await this.api.created(this.path('registered-apis'), { name: 'API', baseUrl, ...api });
    const { id } = await this.api.created(this.path('cloud-functions'), {
      name: endpointUrl,
      registeredApiId: registered.id,
      endpointUrl,
      ...rest,
    });
    return id;
  }

  async createTrigger(cloudFunctionId: string, category: TriggerCategory, filters: object[] = []): Promise<string> {
    const { id } = await this.api.created(this.path('triggers'), {
      name: `on ${category}`,
      actionType: 'CloudFunction',
      cloudFunctionId,
      triggerEvents: [{ category, filters }],
    });
    return id;
  }

  event(type: EventType, overrides: object = {}): { id: string; chatId: string; [key: string]: unknown } {
    return { ...eventExample(type), orgId: this.orgId, id: randomUUID(), chatId: randomUUID(), ...overrides } as never;
  }

  sendEvents(events: readonly object[]): Promise<Answer> {
    return this.api.request('POST', this.path('chat-events'), events.map((event) => JSON.stringify(event)).join('\n'), {
      'content-type': 'application/x-ndjson',
    });
  }

  sendEvent(event: object | string): Promise<Answer> {
    return this.api.request('POST', this.path('chat-events'), event);
  }

  stepRequest(cloudFunctionId: string, overrides: Partial<StepRequest> = {}): StepRequest {
    return {
      ...stepRequests.example,
      requestId: randomUUID(),
      executionId: randomUUID(),
      orgId: this.orgId,
      cloudFunctionId,
      ...overrides,
    };
  }

  async runStep(cloudFunctionId: string, overrides: Partial<StepRequest> = {}): Promise<StepResult> {
    const { orgId: _, ...body } = this.stepRequest(cloudFunctionId, overrides);
    const answer = await this.api.request<StepResult>('POST', this.path('step-executions'), body);
    if (answer.status !== 200) throw new Error(`the step answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  }

  async executions(query = ''): Promise<readonly ExecutionRow[]> {
    const answer = await this.api.get<{ data: ExecutionRow[] }>(this.path(`executions${query}`));
    if (answer.status !== 200) throw new Error(`executions answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body.data;
  }

  async execution(invocationId: string): Promise<ExecutionRow> {
    return (await this.api.get<ExecutionRow>(this.path(`executions/${invocationId}`))).body as ExecutionRow;
  }
}
