const QUOTES = ["'", '"'];

/**
 * Reads a list as PostgreSQL writes it as text: `{GB…,NL…}`, where an element may stand in double quotes. The text is gone
 * through once, character by character, and nothing of it is ever evaluated.
 * @returns null if it is no such list
 */
export function readBraces(text: string): string[] | null {
  return readList(text, { open: '{', close: '}', quotes: ['"'], allowsBare: true });
}

/** Reads a list of texts as Python prints it: `['NL90…', "NL94…"]`. @returns null if it is no such list */
export function readPythonList(text: string): string[] | null {
  return readList(text, { open: '[', close: ']', quotes: QUOTES, allowsBare: false });
}

interface Spelling {
  open: string;
  close: string;
  quotes: readonly string[];
  /** Whether elements may stand without quotes. */
  allowsBare: boolean;
}

/** An element, and where it ends. */
interface Element {
  text: string;
  end: number;
}

function readList(text: string, spelling: Spelling): string[] | null {
  const { open, close } = spelling;
  let at = afterSpace(text, 0);
  if (text[at] !== open) return null;
  at = afterSpace(text, at + 1);
  const elements: string[] = [];
  let isClosed = text[at] === close;
  if (isClosed) at++;
  while (!isClosed) {
    const element = readElement(text, at, spelling);
    if (element === null) return null;
    elements.push(element.text);
    at = afterSpace(text, element.end);
    if (text[at] !== ',' && text[at] !== close) return null;
    isClosed = text[at] === close;
    at = isClosed ? at + 1 : afterSpace(text, at + 1);
  }
  return afterSpace(text, at) === text.length ? elements : null;
}

function readElement(text: string, at: number, { quotes, allowsBare, close }: Spelling): Element | null {
  const first = text[at];
  if (first !== undefined && quotes.includes(first)) return readQuoted(text, at + 1, first);
  if (!allowsBare) return null;
  let end = at;
  while (end < text.length && text[end] !== ',' && text[end] !== close) {
    // Neither may stand in an element without quotes.
    if (text[end] === '{' || text[end] === '"') return null;
    end++;
  }
  const element = text.slice(at, end).trimEnd();
  return element === '' ? null : { text: element, end };
}

/** A backslash stands before a quote or another backslash; all other escapes are refused. */
function readQuoted(text: string, from: number, quote: string): Element | null {
  const parts: string[] = [];
  let begin = from;
  for (let at = from; at < text.length; at++) {
    if (text[at] === quote) return { text: parts.join('') + text.slice(begin, at), end: at + 1 };
    if (text[at] !== '\\') continue;
    const escaped = text[at + 1];
    if (escaped === undefined || !(escaped === '\\' || QUOTES.includes(escaped))) return null;
    parts.push(text.slice(begin, at));
    begin = at + 1;
    at++;
  }
  return null;
}

function afterSpace(text: string, from: number): number {
  let at = from;
  while (text[at] === ' ' || text[at] === '\t' || text[at] === '\n' || text[at] === '\r') at++;
  return at;
}
