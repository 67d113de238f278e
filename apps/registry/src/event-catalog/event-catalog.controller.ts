import { Controller, Get, UseGuards } from '@nestjs/common';
import { eventCatalog, eventExample, eventJsonSchema, filteredProperty, triggerCategory, triggerFilter } from '@cf/contract';
import { RequireScope, TenantGuard } from '@cf/registry-cache';
import { Operation, pageOf } from '@cf/service-kit';
import { z } from 'zod';

const categories = eventCatalog.map(({ category, label, types, filterProperties }) => ({
  category,
  label,
  filterProperties: filterProperties.map((property) => ({ property, comparesWith: filteredProperty[property] })),
  operators: triggerFilter.shape.operator.options,
  types: types.map((type) => ({ type, schema: { ...eventJsonSchema(type) }, example: eventExample(type) })),
}));

const catalogAnswer = pageOf(
  z
    .object({
      category: triggerCategory,
      label: z.string(),
      filterProperties: z.array(z.object({ property: triggerFilter.shape.property, comparesWith: z.string() })),
      operators: z.array(triggerFilter.shape.operator),
      types: z.array(z.object({ type: z.string(), schema: z.record(z.string(), z.unknown()), example: z.record(z.string(), z.unknown()) })),
    })
    .meta({ id: 'CatalogCategory' }),
);

@Controller('v1/orgs/:orgId/event-catalog')
@UseGuards(TenantGuard)
export class EventCatalogController {
  @Get()
  @RequireScope('event-catalog:read')
  @Operation({
    summary: 'List the event catalog',
    description: 'Every category with its event types, their JSON Schemas, and what a trigger may filter by.',
    answer: catalogAnswer,
  })
  list(): z.infer<typeof catalogAnswer> {
    return { data: categories, nextCursor: null };
  }
}
