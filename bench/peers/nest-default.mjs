/** What the framework's documentation leads to: Nest's own Kafka transport, one handler, axios, emit the result. Plain JavaScript, since decorators need a compiler. */
import 'reflect-metadata';
import { Agent } from 'node:http';
import { Controller, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { ClientKafka, EventPattern, Payload, Transport } from '@nestjs/microservices';
import axios from 'axios';
import { firstValueFrom } from 'rxjs';

const { BROKERS, IN, OUT, GROUP, TARGET } = process.env;
const http = axios.create({
  baseURL: TARGET,
  proxy: false,
  validateStatus: () => true,
  httpAgent: new Agent({ keepAlive: true, maxSockets: 256 }),
});
const client = new ClientKafka({ client: { clientId: GROUP, brokers: [BROKERS], logLevel: 1 }, producerOnlyMode: true });
await client.connect();

class Handler {
  async handle(request) {
    const startedAt = performance.now();
    const { status, data } = await http.post(request.path, request.body, {
      headers: { 'content-type': 'application/json', 'x-cloud-function-invocation-id': request.invocationId },
    });
    await firstValueFrom(
      client.emit(OUT, {
        key: request.invocationId,
        value: JSON.stringify({ request, status, answer: data, durationMs: performance.now() - startedAt }),
      }),
    );
  }
}
Controller()(Handler);
EventPattern(IN)(Handler.prototype, 'handle', Object.getOwnPropertyDescriptor(Handler.prototype, 'handle'));
Payload()(Handler.prototype, 'handle', 0);
class App {}
Module({ controllers: [Handler] })(App);

const app = await NestFactory.createMicroservice(App, {
  logger: ['error'],
  transport: Transport.KAFKA,
  options: {
    client: { clientId: GROUP, brokers: [BROKERS], logLevel: 1 },
    consumer: { groupId: GROUP, maxWaitTimeInMs: 100 },
    subscribe: { fromBeginning: true },
    run: { partitionsConsumedConcurrently: 12 },
  },
});
await app.listen();
