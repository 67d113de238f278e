import { Injectable, type PipeTransform } from '@nestjs/common';
import { sameId, uuid } from '@cf/contract';
import { notFound } from '@cf/service-kit';

/** A path's id in the form that ids are compared in. What is no uuid names nothing here. */
@Injectable()
export class ResourceId implements PipeTransform<string, string> {
  transform(id: string): string {
    if (!uuid.safeParse(id).success) throw notFound();
    return sameId(id);
  }
}
