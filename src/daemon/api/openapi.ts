/**
 * The OpenAPI document of the API, made of the contract by zod-openapi.
 */
import { createDocument, type ZodOpenApiOperationObject } from 'zod-openapi';
import { z } from 'zod';
import { ERROR_CODES, type ErrorCode } from '../../base/errors/code.ts';
import type { Endpoint } from './contract/endpoint.ts';
import { ENDPOINTS } from './contract/endpoints.ts';

const MEDIA = { json: 'application/json', lines: 'application/x-ndjson', text: 'text/plain' } as const;

const FAILURE = z
  .object({
    error: z.object({
      code: z.enum(Object.keys(ERROR_CODES) as [ErrorCode, ...ErrorCode[]]),
      message: z.string(),
      retryable: z.boolean(),
      dataset: z.string().optional(),
      key: z.string().optional(),
    }),
  })
  .meta({ id: 'Failure', description: 'What failed, and what to do next.' });

/** The document as plain data. */
export function openApiDocument(): Record<string, unknown> {
  const paths: Record<string, Record<string, ZodOpenApiOperationObject>> = {};
  for (const [name, endpoint] of Object.entries(ENDPOINTS)) {
    const path = endpoint.path.replace(/:([a-z]+)/g, '{$1}');
    (paths[path] ??= {})[endpoint.method.toLowerCase()] = operationOf(name, endpoint);
  }
  return createDocument({
    openapi: '3.1.0',
    info: {
      title: 'dlfs',
      version: 'v1',
      description: 'The API of the dlfs daemon, served over HTTP on a Unix socket that only root may open.',
      license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
    },
    paths,
  }) as unknown as Record<string, unknown>;
}

function operationOf(
  name: string,
  { summary, params, query, body, reply, answer }: Endpoint,
): ZodOpenApiOperationObject {
  return {
    operationId: name,
    summary,
    ...(params === null && query === null
      ? {}
      : { requestParams: { ...(params === null ? {} : { path: params }), ...(query === null ? {} : { query }) } }),
    ...(body === null ? {} : { requestBody: { required: true, content: { 'application/json': { schema: body } } } }),
    responses: {
      '200': {
        description: reply === 'lines' ? 'Documents of this shape, one a line.' : 'The answer.',
        content: { [MEDIA[reply]]: { schema: answer } },
      },
      default: { description: 'A failure.', content: { 'application/json': { schema: FAILURE } } },
    },
  };
}
