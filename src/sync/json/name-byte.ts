/**
 * Names a byte for a fault's detail: punctuation as itself, anything that could be part of somebody's data only by its
 * kind.
 */
export function nameByte(byte: number): string {
  const character = String.fromCharCode(byte);
  if (byte < 0x20 || byte === 0x7f) {
    return 'a control character';
  }
  if (byte >= 0x80) {
    return 'a character outside ASCII';
  }
  if (/[0-9]/.test(character)) {
    return 'a digit';
  }
  return /[A-Za-z]/.test(character)
    ? 'a letter'
    : `${character} (U+${byte.toString(16).toUpperCase().padStart(4, '0')})`;
}
