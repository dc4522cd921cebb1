const SOURCE_NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;

/** Whether a text can be the name of a source. */
export function isSourceName(text: string): boolean {
  return SOURCE_NAME.test(text);
}
