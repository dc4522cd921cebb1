import type { Definition, Parent } from './definition.js';

/** A parent's child: the resource, and how it names the parent. */
export interface Child {
  readonly definition: Definition;
  readonly parent: Parent;
}

/** The resources that this server mirrors. */
export class Definitions {
  private readonly byName: ReadonlyMap<string, Definition>;

  constructor(readonly all: readonly Definition[]) {
    this.byName = new Map(all.map((definition) => [definition.name, definition]));
  }

  has(name: string): boolean {
    return this.byName.has(name);
  }

  /** @throws if there is none of that name: names come from our own routes and tables */
  get(name: string): Definition {
    const found = this.byName.get(name);
    if (!found) throw new Error(`no such resource: ${name}`);
    return found;
  }

  childrenOf({ name }: Definition): Child[] {
    return this.all.flatMap((definition) =>
      definition.parents.filter(({ resource }) => resource === name).map((parent) => ({ definition, parent })),
    );
  }

  /**
   * The resource and those whose rows its jobs may touch or read too, in an order that is the same for all of them. Jobs may read
   * along what others read.
   */
  linkedTo(definition: Definition): { name: string; isShared: boolean }[] {
    const children = this.childrenOf(definition).map((child) => child.definition);
    // A child that begins or ceases to wait for this resource moves the totals of its other parents.
    const parents = [definition, ...children].flatMap((each) => each.parents.map(({ resource }) => resource));
    const { reads = [], changes = [] } = definition.own;
    const own = new Set([definition.name, ...parents, ...children.map(({ name }) => name), ...changes]);
    return [...new Set([...own, ...reads])].toSorted().map((name) => ({ name, isShared: !own.has(name) }));
  }
}
