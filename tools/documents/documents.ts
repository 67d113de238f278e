import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Type } from '@nestjs/common';
import { ExecutionsModule } from '@cf/executions';
import { GatewayModule } from '@cf/gateway';
import { InvokerModule } from '@cf/invoker';
import { RegistryModule } from '@cf/registry';
import { DocumentsController, OperationsController } from '@cf/service-kit';
import { StepExecutorModule } from '@cf/step-executor';
import { TriggerMatcherModule } from '@cf/trigger-matcher';
import { format } from 'prettier';
import { asyncApi } from './asyncapi.js';
import type { JsonSchema } from './json-schemas.js';
import { openApi } from './openapi.js';
import { readProblems } from './problems.js';
import { type Route, routesOf } from './routes.js';

export const root = join(import.meta.dirname, '../..');

const services: readonly Type[] = [
  RegistryModule,
  TriggerMatcherModule,
  StepExecutorModule,
  InvokerModule,
  ExecutionsModule,
  GatewayModule,
];

export const allRoutes = (): Route[] => routesOf(services, [OperationsController, DocumentsController]);

/** The documents as the code of this checkout has them. */
export const presentOpenApi = ({ closed = false } = {}): JsonSchema => openApi(allRoutes(), { problems: readProblems(root), closed });

export const documentNames = ['openapi', 'asyncapi'] as const;
export type DocumentName = (typeof documentNames)[number];

export const presentDocument = (name: DocumentName): JsonSchema => (name === 'openapi' ? presentOpenApi() : asyncApi());

/** Formatted as everything else in the checkout is. */
export const documentText = (document: JsonSchema): Promise<string> =>
  format(JSON.stringify(document), { parser: 'json', printWidth: 140 });

/** Where a document is published: what services serve, and what the next version is compared with. */
export const documentPath = (name: DocumentName): string => join(root, `docs/api/${name}.json`);

export const publishedDocument = (name: DocumentName): JsonSchema => JSON.parse(readFileSync(documentPath(name), 'utf8')) as JsonSchema;
