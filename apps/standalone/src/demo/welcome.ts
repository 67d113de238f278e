import type { Demo } from './seed-demo.js';

const curl = (demo: Demo, url: string, body?: string): string =>
  [
    `curl -sS ${url}`,
    `-H 'authorization: Bearer ${demo.token}'`,
    ...(body === undefined ? [] : [`-H 'content-type: application/json'`, `-d '${body}'`]),
  ].join(' ');

/** A fresh uuid in the middle of a single-quoted JSON text, so that a line can be sent again as it stands. */
const freshId = `'$(node -p 'crypto.randomUUID()')'`;

/** What is printed at start in development: each line works as printed, as often as one likes. */
export const welcome = (address: string, demo: Demo, operatorTokenFile: string): string => {
  const org = `${address}/v1/orgs/${demo.orgId}`;
  const chatId = '7b1f0c44-9f66-4a4e-8f5d-2f3f0a7f2a10';
  const event = `{"type":"ChatOpened","id":"${freshId}","orgId":"${demo.orgId}","timestamp":"2026-11-22T15:04:05.123Z","chatId":"${chatId}"}`;
  const step =
    `{"requestId":"${freshId}","chatId":"${chatId}","executionId":"3a4f4e7e-65f2-4b8f-a8a2-6d1a3b1f9c55",` +
    `"chatBotId":"5d0e2a0b-3f43-4a79-9d0a-0f7b0f0f6a77","chatBotName":"Appointment Scheduler","chatBotType":"LiveChat","stepName":"Schedule",` +
    `"stepId":"step-12","cloudFunctionId":"${demo.cloudFunctionId}","saveValueToAttribute":"AppointmentState","failureBranch":true,"timestamp":"2026-11-22T15:04:05.123Z"}`;
  return [
    '',
    `Cloud Functions is ready on ${address}`,
    '',
    `  token of the demo organization   ${demo.token}`,
    `  operator's token                 ${operatorTokenFile}`,
    '',
    '  Customer endpoints on loopback and over plain http are allowed: this is development.',
    '',
    '# run a chatbot step: the demo customer is called, the answer is the branch',
    curl(demo, `${org}/step-executions`, step),
    '',
    '# send a chat event: the demo trigger calls the same customer',
    curl(demo, `${org}/chat-events`, event),
    '',
    '# what the customer received, what we recorded',
    `curl -sS ${address}/demo/calls`,
    curl(demo, `${org}/executions`),
    '',
    '# register an API and a function of your own',
    curl(demo, `${org}/registered-apis`, `{"name":"My API","baseUrl":"${address}/demo"}`),
    curl(
      demo,
      `${org}/cloud-functions`,
      `{"name":"My function","registeredApiId":"${demo.registeredApiId}","endpointUrl":"appointments","branchOptions":["Scheduled"]}`,
    ),
    '',
    '',
  ].join('\n');
};
