import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const swaggerUi = dirname(createRequire(import.meta.url).resolve('swagger-ui-dist/package.json'));

/** Everything comes from this address, whatever Swagger UI would like to ask others for. Its styles and icons are inline. */
export const CONTENT_SECURITY_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self' 'unsafe-inline'",
  "img-src 'self' data:",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join('; ');

/** Addresses are relative, so that the page works below any path. */
export const referencePage = `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <title>Cloud Functions API</title>
    <link rel="icon" type="image/png" href="docs/favicon-32x32.png">
    <link rel="stylesheet" href="docs/swagger-ui.css">
  </head>
  <body>
    <div id="reference"></div>
    <script src="docs/swagger-ui-bundle.js"></script>
    <script src="docs/start.js"></script>
  </body>
</html>
`;

/** `validatorUrl`: Swagger UI would else send the document to a validator of its makers. */
const start = `SwaggerUIBundle({ url: 'openapi.json', dom_id: '#reference', deepLinking: true, validatorUrl: null });
`;

export interface Asset {
  readonly type: string;
  readonly content: { readonly text: string } | { readonly path: string };
}

const fromPackage = (file: string, type: string): [string, Asset] => [file, { type, content: { path: join(swaggerUi, file) } }];

/** What the page loads; nothing else of the package is served. */
export const assets: ReadonlyMap<string, Asset> = new Map([
  ['start.js', { type: 'text/javascript; charset=utf-8', content: { text: start } }],
  fromPackage('swagger-ui-bundle.js', 'text/javascript; charset=utf-8'),
  fromPackage('swagger-ui.css', 'text/css; charset=utf-8'),
  fromPackage('favicon-32x32.png', 'image/png'),
]);
