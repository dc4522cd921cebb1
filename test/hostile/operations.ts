import type { TestServer } from '../setup/test-server.js';
import type { HttpRequest } from './http-client.js';

const NOBODY = '019aa5f0-8a3e-7c1b-b6f4-0d9e1f2a3b4c';

/** A route from the OpenAPI description, so that new routes are tested without any change here. */
export interface Operation {
  method: string;
  route: string;
  path: string;
  parameters: { name: string; in: 'path' | 'query' | 'header'; schema: unknown }[];
  fields: string[];
}

/** Ids that exist, to fill into paths. */
interface ExistingIds {
  job: string;
  webhook: string;
  claim: string;
}

/** All operations that the server describes. */
export async function describedOperations(server: TestServer, ids: ExistingIds): Promise<Operation[]> {
  const document = await server.get('/openapi.json');
  return Object.entries<any>(document.paths).flatMap(([route, item]) =>
    Object.entries<any>(item)
      .filter(([name]) => name !== 'parameters')
      .map(([method, operation]) => ({
        method: method.toUpperCase(),
        route,
        path: route
          .replace('{externalId}', '1')
          .replace('{deliveryId}', NOBODY)
          .replace(
            '{id}',
            route.startsWith('/webhooks') ? ids.webhook : route.startsWith('/claims') ? ids.claim : ids.job,
          )
          .replace(/\{\w+\}/g, '1'),
        parameters: operation.parameters ?? [],
        fields: fieldsOf(document, operation.requestBody?.content?.['application/json']?.schema),
      })),
  );
}

function fieldsOf(document: any, schema: { $ref?: string; properties?: object } | undefined): string[] {
  const found = schema?.$ref ? document.components.schemas[schema.$ref.split('/').at(-1) ?? ''] : schema;
  return Object.keys(found?.properties ?? {});
}

/** A valid request, of which a test then changes one part. It deletes nothing and waits for no job. */
export function validRequest({ method, path, route, fields }: Operation): HttpRequest {
  if (method === 'GET' || method === 'DELETE') return { method: method === 'DELETE' ? 'GET' : method, path };
  const body = fields.length > 0 ? '{"url":"http://127.0.0.1:9/","events":["job.failed"]}' : '[]';
  const takesBody = fields.length > 0 || !route.includes('{');
  return takesBody ? { method, path, headers: { 'Content-Type': 'application/json' }, body } : { method, path };
}

/** A valid request but for its query. */
export function withQuery(operation: Operation, query: string): HttpRequest {
  return { ...validRequest(operation), path: `${operation.path}?${query}` };
}

/** The names in the path of an operation, such as `{id}`. */
export function namesInPath({ route }: Operation): string[] {
  return [...route.matchAll(/\{\w+\}/g)].map(([name]) => name);
}

/** A valid request but for one part of its path, which is sent unchanged. The other ids in it are those of nothing. */
export function withPart(operation: Operation, name: string, part: string): HttpRequest {
  const parts = operation.route.split('/').map((one) => (one === name ? part : one.startsWith('{') ? '1' : one));
  return { ...validRequest(operation), path: parts.join('/') };
}
