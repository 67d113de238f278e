import { Controller, Get, UseGuards } from '@nestjs/common';
import { eventCatalog, eventExample, eventJsonSchema, filteredProperty, triggerFilter } from '@cf/contract';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
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
  list(): Page<object> {
    return { data: categories, nextCursor: null };
  }
}
