/** Open or closed; whoever comes while it is closed may wait. */
export class Gate {
  #opened: Promise<void> | null = null;
  #open: () => void = () => {};

  get isOpen(): boolean {
    return this.#opened === null;
  }

  close(): void {
    this.#opened ??= new Promise((resolve) => (this.#open = resolve));
  }

  open(): void {
    this.#opened = null;
    this.#open();
  }

  async passed(): Promise<void> {
    while (this.#opened !== null) await this.#opened;
  }
}
