/**
 * A consumer group inside one process. Whenever a member joins or leaves, a round runs:
 *
 *   1. partitions are shared out anew among those that stay, as few as possible moving;
 *   2. every member lets go of what moves: it gets nothing more of it, finishes, commits (for at most its drain time), gives it up;
 *   3. who leaves is out, and only then
 *   4. every member takes what it won, from the committed offset. With what it kept it went on all the while.
 *
 * Joins and leaves that come during a round are answered by the next one.
 */
import type { GroupOptions, TopicPartition } from '../log.js';
import { MessagingError } from '../errors.js';
import type { AssignmentUnit } from './assign-partitions.js';
import { assignPartitions } from './assign-partitions.js';
import type { CommittedOffsets } from './committed-offsets.js';
import { EmbeddedGroupMember } from './group-member.js';
import type { LogView } from './log-view.js';

const partitionsOf = (units: readonly AssignmentUnit[]): TopicPartition[] =>
  units.flatMap(({ topics, partition }) => topics.map((topic) => ({ topic, partition })));

export class ConsumerGroup {
  private readonly members = new Set<EmbeddedGroupMember>();
  private readonly leaving = new Set<EmbeddedGroupMember>();
  private rounds: Promise<void> = Promise.resolve();
  private roundDue = false;

  constructor(
    private readonly view: LogView,
    private readonly commits: CommittedOffsets,
  ) {}

  async join(options: GroupOptions): Promise<EmbeddedGroupMember> {
    const counts = new Set(options.topics.map((topic) => this.view.partitions(topic).length));
    if (options.coPartitioned && counts.size > 1) {
      throw new MessagingError('not_co_partitioned', `${options.topics.join(', ')} differ in their number of partitions`, false);
    }
    await this.commits.register(options.group, options.topics, Date.now());
    const member = new EmbeddedGroupMember(options, this.view, this.commits, (leaver) => this.leave(leaver));
    this.members.add(member);
    // The caller holds its member before the first call to its listener.
    setImmediate(() => void this.round());
    return member;
  }

  subscriptions(): readonly GroupOptions[] {
    return [...this.members].map(({ options }) => options);
  }

  expel(error: Error): void {
    for (const member of this.members) member.expel(error);
    this.members.clear();
  }

  async leaveAll(): Promise<void> {
    await Promise.all([...this.members].map((member) => member.leave()));
  }

  private async leave(member: EmbeddedGroupMember): Promise<void> {
    if (!this.members.has(member)) return;
    this.leaving.add(member);
    await this.round();
  }

  private round(): Promise<void> {
    if (!this.roundDue) {
      this.roundDue = true;
      this.rounds = this.rounds.then(() => this.rebalance());
    }
    return this.rounds;
  }

  private async rebalance(): Promise<void> {
    this.roundDue = false;
    const leavers = [...this.leaving];
    const staying = [...this.members].filter((member) => !this.leaving.has(member));
    const claims = staying.map((member) => ({ id: member, topics: member.options.topics, owned: member.assignment() }));
    const assignment = assignPartitions(claims, this.unitsOf(staying));
    await Promise.all([...this.members].map((member) => member.keepOnly(partitionsOf(assignment.get(member) ?? []))));
    for (const member of leavers) {
      this.leaving.delete(member);
      if (this.members.delete(member)) member.depart();
    }
    for (const member of staying) if (this.members.has(member)) member.own(partitionsOf(assignment.get(member) ?? []));
  }

  private unitsOf(members: readonly EmbeddedGroupMember[]): AssignmentUnit[] {
    const topics = [...new Set(members.flatMap(({ options }) => options.topics))];
    const together = members.some(({ options }) => options.coPartitioned);
    const rows = together ? [topics] : topics.map((topic) => [topic]);
    return rows.flatMap((row) => {
      const [first] = row;
      const partitions = first === undefined ? [] : this.view.partitions(first);
      return partitions.map(({ partition }) => ({ topics: row, partition }));
    });
  }
}
