import { Body, Controller, Get, Headers, HttpCode, Post } from '@nestjs/common';

/** The last calls that are shown; a demo needs no more. */
const CALLS_MAX = 50;

interface Call {
  readonly receivedAt: string;
  readonly invocationId: string | null;
  readonly attempt: string | null;
  readonly body: unknown;
}

/** A customer's endpoint in miniature, served in development: answers a step with a branch, an event with a receipt. */
@Controller('demo')
export class DemoCustomerController {
  private readonly calls: Call[] = [];

  @Post('appointments')
  @HttpCode(200)
  receive(@Body() body: unknown, @Headers() headers: Record<string, string | undefined>): object {
    this.calls.unshift({
      receivedAt: new Date().toISOString(),
      invocationId: headers['x-cloud-function-invocation-id'] ?? null,
      attempt: headers['x-cloud-function-attempt'] ?? null,
      body,
    });
    this.calls.length = Math.min(this.calls.length, CALLS_MAX);
    const { type } = (body ?? {}) as { type?: unknown };
    return type === 'CloudFunctionStepExecution' ? { returnValue: 'Scheduled' } : { received: type ?? null };
  }

  @Get('calls')
  list(): { data: readonly Call[] } {
    return { data: this.calls };
  }
}
