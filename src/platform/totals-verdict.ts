/** What is kept of a provider beside what its lines say. Null: there is none. */
export interface TotalDifference {
  source: string;
  providerNpi: string;
  kept: { netFee: string; claims: number } | null;
  counted: { netFee: string; claims: number } | null;
}

/** How the totals of providers stand beside the lines of their claims. */
export interface TotalsVerdict {
  /** Providers whose totals were compared, each source by itself. */
  providers: number;
  /** The first of those that differ, by source and NPI. */
  differences: TotalDifference[];
  /** How many differ in all. */
  different: number;
}
