import { type CanActivate, type PipeTransform, RequestMethod, type Type } from '@nestjs/common';
import {
  GUARDS_METADATA,
  HTTP_CODE_METADATA,
  METHOD_METADATA,
  MODULE_METADATA,
  PATH_METADATA,
  ROUTE_ARGS_METADATA,
} from '@nestjs/common/constants.js';
import type { Scope } from '@cf/contract';
import { OperatorGuard, requiredScopeOf, TenantGuard } from '@cf/registry-cache';
import { operationOf, type OperationText, queryOf, type RequestHeader, requestHeadersOf, ZodPipe } from '@cf/service-kit';
import type { z } from 'zod';

/** One route as its decorators and pipes have it. */
export interface Route {
  readonly method: string;
  /** `/v1/orgs/{orgId}/triggers` */
  readonly path: string;
  /** `TriggersController.create` */
  readonly name: string;
  readonly access: 'everybody' | 'operator' | 'tenant';
  readonly scope: Scope | undefined;
  readonly status: number;
  readonly query: z.ZodObject | true | undefined;
  readonly body: z.ZodType | undefined;
  readonly headers: readonly RequestHeader[];
  readonly text: OperationText | undefined;
}

type Handler = (...args: never[]) => unknown;
type Imported = Type | { module: Type };

const meta = <T>(key: string, target: object, property?: string): T | undefined =>
  (property === undefined ? Reflect.getMetadata(key, target) : Reflect.getMetadata(key, target, property)) as T | undefined;

const controllersOf = (module: Type, seen: Set<Type>): Type[] => {
  if (seen.has(module)) return [];
  seen.add(module);
  const imported = (meta<Imported[]>(MODULE_METADATA.IMPORTS, module) ?? []).map((each) => ('module' in each ? each.module : each));
  return [...(meta<Type[]>(MODULE_METADATA.CONTROLLERS, module) ?? []), ...imported.flatMap((each) => controllersOf(each, seen))];
};

const joined = (...parts: string[]): string =>
  `/${parts
    .map((part) => part.replace(/^\/|\/$/g, ''))
    .filter((part) => part !== '')
    .join('/')}`.replace(/:(\w+)/g, '{$1}');

const pipesOf = (controller: Type, property: string): PipeTransform[] =>
  Object.values(meta<Record<string, { pipes: PipeTransform[] }>>(ROUTE_ARGS_METADATA, controller, property) ?? {}).flatMap(
    ({ pipes }) => pipes,
  );

const routeOf = (controller: Type, property: string, handler: Handler): Route => {
  const method = meta<RequestMethod>(METHOD_METADATA, handler) as RequestMethod;
  const guards = [
    ...(meta<Type<CanActivate>[]>(GUARDS_METADATA, controller) ?? []),
    ...(meta<Type<CanActivate>[]>(GUARDS_METADATA, handler) ?? []),
  ];
  return {
    method: RequestMethod[method].toLowerCase(),
    path: joined(meta<string>(PATH_METADATA, controller) ?? '', meta<string>(PATH_METADATA, handler) ?? ''),
    name: `${controller.name}.${property}`,
    access: guards.includes(OperatorGuard) ? 'operator' : guards.includes(TenantGuard) ? 'tenant' : 'everybody',
    scope: requiredScopeOf(handler, controller),
    status: meta<number>(HTTP_CODE_METADATA, handler) ?? (method === RequestMethod.POST ? 201 : 200),
    query: queryOf(handler),
    body: pipesOf(controller, property).find((pipe) => pipe instanceof ZodPipe)?.schema,
    headers: requestHeadersOf(controller.prototype as object, property),
    text: operationOf(handler),
  };
};

/** Every HTTP route of these modules, in the order of their code. Nothing is started for it. */
export const routesOf = (modules: readonly Type[], controllers: readonly Type[]): Route[] => {
  const seen = new Set<Type>();
  return [...controllers, ...modules.flatMap((module) => controllersOf(module, seen))].flatMap((controller) => {
    const prototype = controller.prototype as Record<string, Handler>;
    return Object.getOwnPropertyNames(prototype)
      .filter((property) => property !== 'constructor' && meta(METHOD_METADATA, prototype[property] as Handler) !== undefined)
      .map((property) => routeOf(controller, property, prototype[property] as Handler));
  });
};
