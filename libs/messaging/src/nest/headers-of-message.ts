import {
  messageHeader,
  sameId,
  stepInvocationRequests,
  stepInvocationResults,
  stepResults,
  triggerInvocationRequests,
  triggerInvocationResults,
  type InvocationRequest,
  type InvocationResult,
  type MessageOf,
  type StepResult,
  type Topic,
} from '@cf/contract';

type Headers = Record<string, string>;

const requestHeaders = (request: InvocationRequest): Headers => ({
  [messageHeader.orgId]: sameId(request.orgId),
  [messageHeader.functionId]: sameId(request.cloudFunctionId),
  [messageHeader.invocationId]: sameId(request.invocationId),
  [messageHeader.seq]: String(request.seq),
  ...(request.chatId !== null && { [messageHeader.chatId]: sameId(request.chatId) }),
  ...(request.step !== null && { [messageHeader.requestId]: sameId(request.step.requestId) }),
});

const resultHeaders = ({ request }: InvocationResult): Headers => ({
  [messageHeader.orgId]: sameId(request.orgId),
  [messageHeader.invocationId]: sameId(request.invocationId),
  [messageHeader.seq]: String(request.seq),
  ...(request.step !== null && { [messageHeader.requestId]: sameId(request.step.requestId) }),
});

const stepResultHeaders = (result: StepResult): Headers => ({
  ...(result.orgId !== null && { [messageHeader.orgId]: sameId(result.orgId) }),
  [messageHeader.requestId]: sameId(result.requestId),
  [messageHeader.invocationId]: sameId(result.invocationId),
});

const headersByTopic = new Map<string, (message: never) => Headers>([
  [stepInvocationRequests.name, requestHeaders],
  [triggerInvocationRequests.name, requestHeaders],
  [stepInvocationResults.name, resultHeaders],
  [triggerInvocationResults.name, resultHeaders],
  [stepResults.name, stepResultHeaders],
]);

/** The headers that let a reader route, order or drop a message of this topic without parsing it. Ids are in lower case. */
export const headersOfMessage = <T extends Topic>(topic: T, message: MessageOf<T>): Headers =>
  headersByTopic.get(topic.name)?.(message as never) ?? {};
