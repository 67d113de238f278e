import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';
import type { JsonSchema } from './json-schemas.js';

/** Holds values against schemas of one document; `$ref`s lead into its components. */
export class SchemaCheck {
  private readonly ajv = new Ajv2020({ strict: false, allErrors: true, validateFormats: true });
  private readonly compiled = new WeakMap<JsonSchema, ValidateFunction>();

  constructor(private readonly document: JsonSchema) {
    formats.default(this.ajv);
  }

  /** Each place of the value that does not fit. */
  errors(schema: JsonSchema, value: unknown): string[] {
    const validate = this.compile(schema);
    return validate(value)
      ? []
      : (validate.errors ?? []).map(({ instancePath, message, params }) => `${instancePath} ${message} ${JSON.stringify(params)}`);
  }

  private compile(schema: JsonSchema): ValidateFunction {
    const known = this.compiled.get(schema);
    if (known !== undefined) return known;
    const compiled = this.ajv.compile({ ...schema, components: this.document['components'] });
    this.compiled.set(schema, compiled);
    return compiled;
  }
}
