/**
 * Limits the memory of concurrent work: a piece of work starts once its bytes fit within the capacity beside those of the
 * running ones. Until then it waits; waiting work starts in the order in which it came.
 */
export class WorkingMemory {
  private heldBytes = 0;
  private readonly waiting: { bytes: number; go: () => void }[] = [];

  constructor(private readonly capacityBytes: number) {}

  /** Runs `work`, which needs so many bytes. One that needs more than the capacity runs alone. */
  async within<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    await this.take(Math.min(bytes, this.capacityBytes));
    try {
      return await work();
    } finally {
      this.heldBytes -= Math.min(bytes, this.capacityBytes);
      this.admit();
    }
  }

  private async take(bytes: number): Promise<void> {
    const turn = new Promise<void>((go) => this.waiting.push({ bytes, go }));
    this.admit();
    await turn;
  }

  private admit(): void {
    for (let [next] = this.waiting; next && this.heldBytes + next.bytes <= this.capacityBytes; [next] = this.waiting) {
      this.waiting.shift();
      this.heldBytes += next.bytes;
      next.go();
    }
  }
}
