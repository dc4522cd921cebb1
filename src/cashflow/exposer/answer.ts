/** What a request is answered with. */
export interface Answer {
  status: number;
  /** The body, piece by piece, made while it is sent. */
  body: AsyncIterable<string>;
  /** Remembers that the next window is due; it is called before the last piece. */
  advance?: () => void;
}

/** Instead of an answer: nothing is ever sent. */
export const NO_ANSWER = Symbol('no answer');

/** Answers the path and query of a request; null: there is no such path. */
export type Dialect = (path: string, query: URLSearchParams) => Answer | typeof NO_ANSWER | null;

export function json(value: unknown, status = 200): Answer {
  return { status, body: once(JSON.stringify(value)) };
}

export function badRequest(detail: string): Answer {
  return json({ error: detail }, 400);
}

async function* once(text: string): AsyncGenerator<string> {
  yield text;
}

/** Renders lines, given in blocks, as the elements of a JSON array without its brackets. */
export async function* elements(
  blocks: AsyncIterable<string[]>,
  render: (line: string) => string,
): AsyncGenerator<string> {
  let separator = '';
  for await (const block of blocks) {
    yield separator + block.map((line) => render(line)).join(',');
    separator = ',';
  }
}

/** A JSON array of lines. */
export async function* array(
  blocks: AsyncIterable<string[]>,
  render: (line: string) => string,
): AsyncGenerator<string> {
  yield '[';
  yield* elements(blocks, render);
  yield ']';
}
