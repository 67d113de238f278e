import { Controller, Get, Query, UseGuards } from '@nestjs/common';
import { z } from 'zod';
import { eventCatalog, eventExample, eventJsonSchema, filteredProperty, triggerFilter } from '@cf/contract';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
import { parseQuery } from '@cf/service-kit';
import type { Page } from '../http/newest-first.js';

const categories = eventCatalog.map(({ category, label, types, filterProperties }) => ({
  category,
  label,
  filterProperties: filterProperties.map((property) => ({ property, comparesWith: filteredProperty[property] })),
  operators: triggerFilter.shape.operator.options,
  types: types.map((type) => ({ type, schema: eventJsonSchema(type), example: eventExample(type) })),
}));

@Controller('v1/orgs/:orgId/event-catalog')
@UseGuards(TenantGuard)
export class EventCatalogController {
  @Get()
  @RequireScope('event-catalog:read')
  list(@Query() query: unknown): Page<object> {
    parseQuery(z.object({}), query);
    return { data: categories, nextCursor: null };
  }
}
