import { Injectable } from '@nestjs/common';

/** Finds work by its id, as callers of its source see it; null if it knows none. `waitSeconds`: for how long to wait for its end. */
type FindWork = (sourceId: number, id: string, waitSeconds: number) => Promise<object | null>;

/** Work that is no snapshot's and is told under the path of jobs, too. Modules above the engine register what they have. */
@Injectable()
export class OtherJobs {
  private readonly finders: FindWork[] = [];

  register(find: FindWork): void {
    this.finders.push(find);
  }

  async find(sourceId: number, id: string, waitSeconds: number): Promise<object | null> {
    const found = await Promise.all(this.finders.map((find) => find(sourceId, id, waitSeconds)));
    return found.find((work) => work !== null) ?? null;
  }
}
