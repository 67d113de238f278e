/** What both documents say of the whole product. A breaking change needs a new major version (wire.md); the comparison asks for it. */
export const API = {
  version: '1.0.0',
  description: [
    'Customers’ HTTP endpoints as steps of chatbots and as reactions to chat events.',
    'Lists are newest first, with opaque cursors. A resource has an `ETag`; a change needs it as `If-Match`. An unknown query parameter is refused.',
    'What is not yours is not there: 404. Refusals are `application/problem+json` with a stable `code`.',
    'Answers may get more fields; a reader ignores those that it does not know.',
  ].join('\n\n'),
  topics: [
    'What the services of Cloud Functions, the chat platform and the bot runtime say to each other over Kafka.',
    'Values are JSON objects in UTF-8. Readers take messages of the version before and after theirs: fields are added, never renamed or dropped.',
  ].join('\n\n'),
} as const;
