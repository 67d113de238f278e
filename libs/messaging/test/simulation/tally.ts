/** What histories are made of, and what the report says of each: counted, and in how many histories it came at all. */
export const FIGURES = {
  records: 'records written',
  runs: 'records started by an ownership',
  repeats: '… that had been started before, by another one',
  begins: 'processes that began',
  rebalances: 'generations of the group',
  deaths: 'processes that died at once',
  stops: 'processes that were asked to stop',
  freezes: 'processes that stood still, up to 5 s, and went on',
  clockJumps: 'clocks that jumped ahead, up to 10 s',
  requestsLost: 'requests that never reached the broker',
  repliesLost: 'replies that never came back: the request was served',
  repliesSlow: 'replies that took up to 400 ms',
  fallenOut: 'members that fell out of their group',
  lostWhileRunning: '… while calls ran',
  keptWhileRunning: 'rebalances over which a partition kept its running calls',
  drainsOver: 'drains that were cut off by their time',
  letGo: 'running calls that a revoke counted as done',
  commits: 'commits that the broker took',
  commitsRefused: 'commits that the coordinator refused',
  commitsFailed: 'commits that failed, refused or unanswered',
  metadataGarbled: 'commit metadata read back cut, foreign, oversized or changed',
  metadataRestored: 'assignments whose metadata told what was done above the offset',
  publishedTwice: 'results that were published more than once',
  publishedByZombies: 'results published by a member that had lost the partition',
  overlapsOfMembers: 'calls of a key beside one of the owner before, who did not know yet',
  deliveredAgain: 'times that a partition was delivered again from its commit',
  cuts: 'times that retention moved the beginning of a partition',
  outOfRange: 'fetches whose offset was gone',
  held: 'partitions held because the buffer was full of records or bytes',
  keyBursts: 'records that came behind eight or more of their order key',
  limitChanges: 'limits of functions that changed',
  callsFailed: 'calls that failed and were tried again',
  yielded: 'calls that gave their slot back while their result was published',
  callsAborted: 'calls that were aborted',
  publishesFailed: 'results whose publishing failed',
  preparationsFailed: 'preparations of new partitions that failed',
  surplus: 'records handed over as surplus of their function',
  gaveUp: 'records given up after three tries',
  killersCaught: 'records given up because processes died of them',
} as const;

export type Figure = keyof typeof FIGURES;
export type Figures = Record<Figure, number>;

export const noFigures = (): Figures => Object.fromEntries(Object.keys(FIGURES).map((name) => [name, 0])) as Figures;

export class Tally {
  readonly figures = noFigures();

  count(figure: Figure, times = 1): void {
    this.figures[figure] += times;
  }
}
