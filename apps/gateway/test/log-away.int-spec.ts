/** Real: the gateway over HTTP and the engine of the embedded log. Its storage is in memory and can be taken away. */
import { randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import { chatEvents, stepRequests } from '@cf/contract';
import { MemoryStorage } from '@cf/messaging';
import { eventually, TestService } from '@cf/testing';
import { GatewayModule } from '../src/index.js';

/** `away` answers nothing until it is `back`, as a database behind a cut network. */
class CuttableStorage extends MemoryStorage {
  private present: Promise<void> = Promise.resolve();
  back: () => void = () => undefined;

  away(): void {
    this.present = new Promise((resolve) => (this.back = resolve));
  }

  override async append(...records: Parameters<MemoryStorage['append']>): Promise<void> {
    await this.present;
    return super.append(...records);
  }
}

let storage: CuttableStorage;
let service: TestService;
let orgId: string;

beforeEach(async () => {
  storage = new CuttableStorage();
  service = await TestService.create(GatewayModule, { storage });
  orgId = await service.addOrganization();
  await service.start();
  await eventually(async () => expect((await fetch(`${service.address}/health/ready`)).status).toBe(200));
});
afterEach(async () => {
  storage.back();
  await service.close();
});

describe('while the log does not answer', () => {
  it.each(['chat-events', 'step-executions'] as const)('%s are told so within five seconds', async (resource) => {
    const example = resource === 'chat-events' ? chatEvents.example : stepRequests.example;
    const path = `/v1/orgs/${orgId}/${resource}`;
    const body = JSON.stringify({ ...example, id: randomUUID(), requestId: randomUUID(), orgId });
    storage.away();
    const askedAtMs = Date.now();
    const answer = await service.post(path, body);
    expect(answer).toMatchObject({ status: 503, body: { code: 'log_unavailable' } });
    expect(answer.headers.get('retry-after')).toBe('1');
    expect(Date.now() - askedAtMs).toBeLessThan(5_000);
  });

  it('a chat event is accepted again once the log is back', async () => {
    const path = `/v1/orgs/${orgId}/chat-events`;
    const body = JSON.stringify({ ...chatEvents.example, orgId });
    storage.away();
    expect((await service.post(path, body)).status).toBe(503);
    storage.back();
    await eventually(async () => expect((await service.post(path, body)).status).toBe(202));
  });
});
