/** A thing that can be among the arrivals of one place at a time, whatever line it stands in. */
export interface Arrived<T extends Arrived<T>> {
  older: T | null;
  younger: T | null;
}

/** What arrived and has not started, the youngest at hand, in constant time and without allocation. */
export class Arrivals<T extends Arrived<T>> {
  size = 0;
  youngest: T | null = null;

  add(item: T): void {
    item.older = this.youngest;
    if (this.youngest !== null) this.youngest.younger = item;
    this.youngest = item;
    this.size++;
  }

  remove(item: T): void {
    if (item.older !== null) item.older.younger = item.younger;
    if (item.younger === null) this.youngest = item.older;
    else item.younger.older = item.older;
    item.older = null;
    item.younger = null;
    this.size--;
  }
}
