/** How a parent is written in a definition. */
export interface ParentShape {
  /** The parents' resource. */
  resource: string;
  /** The field with the parent's external id. */
  by: string;
  /** What the parent's row tells of its children, by name: `count`, or `sum(amount)`. */
  totals?: Record<string, string>;
}

/** What the lists of a resource offer: names of fields; a sort may begin with `-`. */
export interface ListShape {
  filter?: string[];
  range?: string[];
  search?: string[];
  sort?: string[];
}

/** A resource as somebody writes it, in TypeScript or in YAML: `docs/resources.md`. */
export interface ResourceShape {
  name: string;
  key?: string | string[];
  /** Types by field, such as `decimal(15,4)`; `?` at the end: may be null or absent. */
  fields: Record<string, string>;
  parents?: Record<string, ParentShape>;
  window?: string;
  list?: ListShape;
  duplicates?: 'count';
}
