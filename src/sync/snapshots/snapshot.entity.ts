import { BigIntType, OptionalProps } from '@mikro-orm/core';
import { Entity, Filter, PrimaryKey, Property } from '@mikro-orm/decorators/legacy';
import { SOURCE_FILTER } from '../../database/source-isolation.js';

/** Everything that one source held of one resource at one moment, as it was sent. Its bytes lie in `snapshot_chunk`. */
@Filter(SOURCE_FILTER)
@Entity({ tableName: 'snapshot' })
export class Snapshot {
  [OptionalProps]?: 'complete' | 'bytes' | 'storedBytes' | 'chunks' | 'touchedAt' | 'inflatedBytes' | 'sha256';

  @PrimaryKey({ type: 'uuid' })
  id!: string;

  @Property({ columnType: 'int' })
  sourceId!: number;

  /** `json`, `ndjson` or `csv`. */
  @Property({ columnType: 'text' })
  format!: string;

  @Property({ columnType: 'text' })
  contentType!: string;

  /** As it was sent: `gzip`, `br`, `zstd`, or null. */
  @Property({ columnType: 'text', nullable: true })
  contentEncoding: string | null = null;

  /** Bytes of the body as received. */
  @Property({ type: new BigIntType('number') })
  bytes: number = 0;

  @Property({ type: new BigIntType('number') })
  inflatedBytes: number = 0;

  /** What its chunks take up. */
  @Property({ type: new BigIntType('number') })
  storedBytes: number = 0;

  /** Of the body as received, in hexadecimal. */
  @Property({ columnType: 'text' })
  sha256: string = '';

  @Property({ columnType: 'int' })
  chunks: number = 0;

  /** False while the body is still coming in; what stays so belongs to a client that went away. */
  @Property({ columnType: 'boolean' })
  complete: boolean = false;

  @Property({ columnType: 'timestamptz', defaultRaw: 'now()' })
  touchedAt!: Date;

  /** When the bytes were dropped after their retention. */
  @Property({ columnType: 'timestamptz', nullable: true })
  purgedAt: Date | null = null;
}
