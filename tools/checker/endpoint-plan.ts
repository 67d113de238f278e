/**
 * How the endpoint of the chaos run answers an event, told by its id alone, so that the endpoint and the checker need not speak.
 * `failures`: so many first calls are answered 425, the next 200. `refused`: always 410, which is final.
 * 425 is retried and no breaker counts it: twenty calls of which ten fail by chance would open one, and the run would measure breakers.
 */
export interface EndpointPlan {
  readonly failures: number;
  readonly refused: boolean;
}

export const planOf = (eventId: string): EndpointPlan => {
  const share = parseInt(eventId.slice(0, 8), 16) / 2 ** 32;
  if (share < 0.03) return { failures: 0, refused: true };
  if (share < 0.08) return { failures: 2, refused: false };
  return { failures: share < 0.3 ? 1 : 0, refused: false };
};

/** What the endpoint answers to its n-th call for an event, from 1. */
export const statusOf = ({ failures, refused }: EndpointPlan, call: number): number => {
  if (refused) return 410;
  return call <= failures ? 425 : 200;
};

/** Calls that an event takes when nothing is called twice. */
export const callsOf = ({ failures, refused }: EndpointPlan): number => (refused ? 1 : failures + 1);
