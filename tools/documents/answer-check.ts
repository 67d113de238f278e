import type { JsonSchema } from './json-schemas.js';
import { SchemaCheck } from './schema-check.js';

/** An answer as it came over the wire. */
export interface WireAnswer {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | undefined>>;
  readonly text: string;
}

interface DocumentedAnswer {
  readonly $ref?: string;
  readonly headers?: Record<string, { required?: boolean }>;
  readonly content?: Record<string, { schema: JsonSchema }>;
}

export interface DocumentedOperation {
  readonly operationId: string;
  readonly method: string;
  readonly path: string;
  readonly parameters: readonly {
    readonly name: string;
    readonly in: string;
    readonly required: boolean;
    readonly schema: JsonSchema;
    readonly example?: string;
  }[];
  readonly requestBody?: { readonly required: boolean; readonly content: Record<string, { schema: JsonSchema; example?: unknown }> };
  readonly responses: Record<string, DocumentedAnswer>;
}

/** Every operation of a document; `path` is the template. */
export const operationsOf = (document: JsonSchema): DocumentedOperation[] =>
  Object.entries(document['paths'] as Record<string, Record<string, Omit<DocumentedOperation, 'method' | 'path'>>>).flatMap(
    ([path, item]) => Object.entries(item).map(([method, operation]) => ({ ...operation, method, path })),
  );

/** Holds answers against the OpenAPI document: status, headers, content type, schema and, for refusals, the code. */
export class AnswerCheck {
  private readonly schemas: SchemaCheck;

  constructor(private readonly document: JsonSchema) {
    this.schemas = new SchemaCheck(document);
  }

  /** What of the answer the document does not say; empty when all is well. */
  complaints(operation: DocumentedOperation, answer: WireAnswer): string[] {
    const given = operation.responses[String(answer.status)];
    if (given === undefined) return [`the status ${answer.status} is not documented: ${answer.text.slice(0, 500)}`];
    const documented = given.$ref === undefined ? given : this.component(given.$ref);
    return [...this.headers(documented, answer), ...this.body(documented, answer)];
  }

  private headers({ headers = {} }: DocumentedAnswer, answer: WireAnswer): string[] {
    return Object.entries(headers)
      .filter(([name, { required }]) => required === true && answer.headers[name.toLowerCase()] === undefined)
      .map(([name]) => `the header ${name} is missing`);
  }

  private body({ content }: DocumentedAnswer, answer: WireAnswer): string[] {
    if (content === undefined) return answer.text === '' ? [] : ['there is a body, and none is documented'];
    const type = (answer.headers['content-type'] ?? 'none').split(';', 1)[0] ?? '';
    const documented = content[type] ?? content['*/*'];
    if (documented === undefined) return [`the content type ${type} is not documented`];
    if (!/^application\/([a-z]+\+)?json$/.test(type)) return [];
    return this.schemas.errors(documented.schema, JSON.parse(answer.text)).map((error) => `the body does not fit: ${error}`);
  }

  private component(ref: string): DocumentedAnswer {
    const { responses } = this.document['components'] as { responses: Record<string, DocumentedAnswer> };
    return responses[ref.slice('#/components/responses/'.length)] as DocumentedAnswer;
  }
}
