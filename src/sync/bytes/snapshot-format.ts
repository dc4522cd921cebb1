/** How the records of a snapshot are written down. */
export type SnapshotFormat = 'json' | 'ndjson' | 'csv';
