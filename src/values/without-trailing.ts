/**
 * A text without the given character at its end, however often it is there. A loop, as `/0+$/` begins anew at every `0`:
 * on a million zeros before another character it takes tens of minutes.
 */
export function withoutTrailing(character: string, text: string): string {
  let end = text.length;
  while (text[end - 1] === character) end -= 1;
  return text.slice(0, end);
}
