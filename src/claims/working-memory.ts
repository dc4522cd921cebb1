/**
 * Lets pieces of work run at once as far as what they hold in memory stays within a limit; the others wait for their turn,
 * in the order in which they came.
 */
export class WorkingMemory {
  private heldBytes = 0;
  private readonly waiting: { bytes: number; go: () => void }[] = [];

  constructor(private readonly mostBytes: number) {}

  async within<T>(bytes: number, work: () => Promise<T>): Promise<T> {
    await this.take(Math.min(bytes, this.mostBytes));
    try {
      return await work();
    } finally {
      this.heldBytes -= Math.min(bytes, this.mostBytes);
      this.admit();
    }
  }

  private async take(bytes: number): Promise<void> {
    const turn = new Promise<void>((go) => this.waiting.push({ bytes, go }));
    this.admit();
    await turn;
  }

  private admit(): void {
    for (let [next] = this.waiting; next && this.heldBytes + next.bytes <= this.mostBytes; [next] = this.waiting) {
      this.waiting.shift();
      this.heldBytes += next.bytes;
      next.go();
    }
  }
}
