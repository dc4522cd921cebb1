/** Something in the mirror that is not what follows from its rows. */
export interface MirrorFault {
  source: string;
  resource: string;
  /** The row, or null if it is about the source's feed. */
  externalId: string | null;
  what: string;
}

/** The result of comparing what is derived from the rows of the mirror with the rows. */
export interface MirrorVerdict {
  /** How many there are of what was asked for: of a name that is none it is zero. */
  resources: number;
  sources: number;
  rows: number;
  /** At most 20 of each kind. */
  faults: MirrorFault[];
}
