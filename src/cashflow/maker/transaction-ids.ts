import { startOfDayMs } from './days.js';
import type { Random } from './random.js';

const hex = (value: number, width: number) => value.toString(16).padStart(width, '0');

/** All texts of two bytes in hexadecimal: putting ids together from them is several times as fast as formatting numbers. */
const HEX4 = Array.from({ length: 65_536 }, (_, value) => hex(value, 4));
const HEX3 = Array.from({ length: 1_000 }, (_, value) => hex(value, 3));

/** Where rows of one instant begin to count, and by how much they go up, so that 30 bits are always enough. */
const FIRST_ORDERS = 2 ** 29;
const MAX_STEP = 512;

/** UUIDs of version 7, which sort by time; of one instant, to the microsecond, in the order in which they are made. */
export class TransactionIds {
  private day = -1;
  private dayMs = 0;
  private lastUs = -1;
  private order = 0;
  private high = -1;
  private highText = '';

  constructor(private readonly random: Random) {}

  /** The times of one day do not go back, and neither do the days. */
  next(day: number, timeUs: number): string {
    const { random } = this;
    if (day !== this.day) this.startDay(day);
    this.order = timeUs === this.lastUs ? this.order + 1 + random.below(MAX_STEP) : random.below(FIRST_ORDERS);
    this.lastUs = timeUs;
    const millis = Math.floor(timeUs / 1000);
    const ms = this.dayMs + millis;
    const high = Math.floor(ms / 65_536);
    if (high !== this.high) {
      this.high = high;
      this.highText = hex(high, 8);
    }
    const low = HEX4[ms - high * 65_536];
    const tail = random.next();
    return (
      `${this.highText}-${low}-7${HEX3[timeUs - millis * 1000]}-${HEX4[0x8000 | (this.order >>> 16)]}` +
      `-${HEX4[this.order & 0xffff]}${HEX4[tail >>> 16]}${HEX4[tail & 0xffff]}`
    );
  }

  private startDay(day: number): void {
    this.day = day;
    this.dayMs = startOfDayMs(day);
    this.lastUs = -1;
  }
}
