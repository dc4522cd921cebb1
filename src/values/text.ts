/** Whether a text has more characters (code points) than that. They are only counted if it is not longer in any case. */
export function isLongerThan(characters: number, text: string): boolean {
  if (text.length <= characters) return false;
  // A character has at most two units.
  return text.length > 2 * characters || Array.from(text).length > characters;
}

/** PostgreSQL refuses NUL, and half a surrogate pair has no UTF-8. */
export function isStorable(value: string): boolean {
  return value.isWellFormed() && !value.includes('\0');
}
