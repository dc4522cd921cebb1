import { userInfo } from 'node:os';

/** Who of the machine's users runs this process; in a container there may be no name for the number. */
export function userName(): string {
  try {
    return userInfo().username;
  } catch {
    return String(process.getuid?.() ?? 'unknown');
  }
}
