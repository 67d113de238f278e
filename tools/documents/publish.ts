/** `npm run documents`: writes the documents that services serve, from the code. Refuses what breaks those who read the last ones. */
import 'reflect-metadata';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { breakingChanges } from './compare.js';
import { allRoutes, documentNames, documentPath, documentText, presentDocument, publishedDocument } from './documents.js';
import { complaintsAbout } from './openapi.js';

const complaints = complaintsAbout(allRoutes());
if (complaints.length > 0) {
  process.stderr.write(
    `Routes lack their documentation (CONTRIBUTING.md, "Adding a route"):\n${complaints.map((each) => `  ${each}\n`).join('')}`,
  );
  process.exit(1);
}

for (const name of documentNames) {
  const present = presentDocument(name);
  const breaks = existsSync(documentPath(name)) ? breakingChanges(publishedDocument(name), present) : [];
  if (breaks.length > 0) {
    process.stderr.write(`${name}.json is not written, since its readers would break:\n${breaks.map((each) => `  ${each}\n`).join('')}`);
    process.exitCode = 1;
    continue;
  }
  mkdirSync(dirname(documentPath(name)), { recursive: true });
  writeFileSync(documentPath(name), await documentText(present));
}
