import { type ClientRequest, type IncomingHttpHeaders, type OutgoingHttpHeaders, request } from 'node:http';

/** An answer to the byte: `fetch` would inflate the body and forget about it. */
export interface RawAnswer {
  status: number;
  headers: IncomingHttpHeaders;
  body: Buffer;
}

/** A request whose body is written bit by bit. The answer may come before its end. */
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
  // Whoever hangs up on purpose does not wait for it.
  answer.catch(() => undefined);
  return { stream, answer };
}

/** A whole request without a body, or with one that is sent chunked, without Content-Length. */
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
