import { type ClientRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';

/** An answer byte for byte: `fetch` would inflate the body. */
export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A request whose body is written piece by piece. The answer may come before its end. */
export interface OpenRequest {
  stream: ClientRequest;
  answer: Promise<RawAnswer>;
}

export function openRequest(
  server: { url: string },
  method: string,
  path: string,
  headers: OutgoingHttpHeaders = {},
): OpenRequest {
  const { hostname, port } = new URL(server.url);
  const stream = request({ hostname, port, method, path, headers, agent: false });
  const answer = new Promise<RawAnswer>((resolve, reject) => {
    stream.on('error', reject);
    stream.on('response', (response) => {
      const chunks: Buffer[] = [];
      response.on('data', (chunk: Buffer) => chunks.push(chunk));
      response.on('error', reject);
      response.on('end', () =>
        resolve({ status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }),
      );
    });
  });
  // A test that disconnects on purpose does not await the answer.
  answer.catch(() => undefined);
  return { stream, answer };
}

/** A complete request, without a body or with a chunked one without Content-Length. */
export function rawRequest(
  server: { url: string },
  method: string,
  path: string,
  { headers = {}, body = [] }: { headers?: OutgoingHttpHeaders; body?: (string | Buffer)[] } = {},
): Promise<RawAnswer> {
  const { stream, answer } = openRequest(server, method, path, headers);
  for (const chunk of body) stream.write(chunk);
  stream.end();
  return answer;
}
