/** A provider's stored total, and the one computed from its lines. Null: there is none. */
export interface TotalDifference {
  source: string;
  providerNpi: string;
  kept: { netFee: string; claims: number } | null;
  counted: { netFee: string; claims: number } | null;
}

/** The result of comparing the totals of providers with the lines of their claims. */
export interface TotalsVerdict {
  /** Providers whose totals were compared, counted by source. */
  providers: number;
  /** The first differences, by source and NPI. */
  differences: TotalDifference[];
  /** The number of all differences. */
  different: number;
}
