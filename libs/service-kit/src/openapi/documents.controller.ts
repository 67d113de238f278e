import { readFile } from 'node:fs/promises';
import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import type { FastifyReply } from 'fastify';
import { z } from 'zod';
import { notFound } from '../problem.js';
import { Operation } from './operation.js';
import { assets, CONTENT_SECURITY_POLICY, referencePage } from './reference-page.js';

/** The documents of the whole product as they were published: every service serves the same ones (docs/adr/0005-small-choices.md). */
const published = (name: string): Promise<Buffer> => readFile(new URL(`../../../../docs/api/${name}.json`, import.meta.url));

const anyDocument = z.looseObject({});

/** What developers ask any service for; no token needed. */
@Controller()
export class DocumentsController {
  @Get('openapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  @Operation({ summary: 'Read this document', answer: anyDocument })
  openApi(): Promise<Buffer> {
    return published('openapi');
  }

  @Get('asyncapi.json')
  @Header('content-type', 'application/json; charset=utf-8')
  @Operation({ summary: 'Read the AsyncAPI document of the topics', answer: anyDocument })
  asyncApi(): Promise<Buffer> {
    return published('asyncapi');
  }

  @Get('docs')
  @Header('content-type', 'text/html; charset=utf-8')
  @Header('content-security-policy', CONTENT_SECURITY_POLICY)
  @Operation({ summary: 'Read this document as a page', answer: 'text/html' })
  page(): string {
    return referencePage;
  }

  @Get('docs/:file')
  @Operation({ summary: 'Load a part of the page', answer: '*/*', problems: ['not_found'] })
  async asset(@Param('file') file: string, @Res({ passthrough: true }) reply: FastifyReply): Promise<string | Buffer> {
    const asset = assets.get(file);
    if (asset === undefined) throw notFound();
    void reply.header('content-type', asset.type).header('cache-control', 'public, max-age=3600');
    return 'path' in asset.content ? readFile(asset.content.path) : asset.content.text;
  }
}
