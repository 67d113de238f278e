import { sameId } from '@cf/contract';
import { Problem } from '@cf/service-kit';

const again = { 'retry-after': '1' };

/** How much may wait here, of all organizations and of one of them: whoever sends too much fills its own share, not the others'. */
export class WaitingRoom {
  private readonly byOrganization = new Map<string, number>();
  private taken = 0;

  constructor(
    private readonly waiting: 'steps' | 'events',
    private readonly max: { readonly all: number; readonly ofOrganization: number },
  ) {}

  /** What waits of all organizations. */
  get size(): number {
    return this.taken;
  }

  /** Refuses with a `Problem` what has no room. */
  check(orgId: string, amount: number): void {
    if (this.of(orgId) + amount > this.max.ofOrganization)
      throw new Problem(429, 'too_many_waiting', `Too many ${this.waiting} of this organization wait here; try again.`, [], again);
    if (this.taken + amount > this.max.all) throw new Problem(503, 'too_busy', `Too many ${this.waiting} wait here; try again.`, [], again);
  }

  enter(orgId: string, amount: number): void {
    this.taken += amount;
    this.byOrganization.set(sameId(orgId), this.of(orgId) + amount);
  }

  leave(orgId: string, amount: number): void {
    this.taken -= amount;
    const left = this.of(orgId) - amount;
    if (left > 0) this.byOrganization.set(sameId(orgId), left);
    else this.byOrganization.delete(sameId(orgId));
  }

  private of(orgId: string): number {
    return this.byOrganization.get(sameId(orgId)) ?? 0;
  }
}
