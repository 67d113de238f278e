/** A thing that can stand in one line at a time. */
export interface InLine<T extends InLine<T>> {
  before: T | null;
  after: T | null;
  line: LinkedLine<T> | null;
}

/** First in, first out, with removal from the middle, in constant time and without allocation. */
export class LinkedLine<T extends InLine<T>> {
  first: T | null = null;
  last: T | null = null;

  push(item: T): void {
    item.line = this;
    item.before = this.last;
    if (this.last === null) this.first = item;
    else this.last.after = item;
    this.last = item;
  }

  pushFirst(item: T): void {
    item.line = this;
    item.after = this.first;
    if (this.first === null) this.last = item;
    else this.first.before = item;
    this.first = item;
  }

  remove(item: T): void {
    if (item.before === null) this.first = item.after;
    else item.before.after = item.after;
    if (item.after === null) this.last = item.before;
    else item.after.before = item.before;
    item.before = null;
    item.after = null;
    item.line = null;
  }
}
