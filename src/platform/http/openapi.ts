/** The OpenAPI 3.1 document of a server, made from the same route tables that serve the requests. */
import { z } from 'zod';
import { ErrorBody } from '../../protocol/errors.ts';
import type { RouteFacts } from './api.ts';

export interface OpenApiSection {
  /** The tag: "machine", "operator". */
  readonly name: string;
  readonly description: string;
  /** Where its routes are mounted: `/api/machine`. */
  readonly base: string;
  readonly routes: readonly RouteFacts[];
  /** How its callers say who they are; absent: anybody may call. */
  readonly security?: 'signature' | 'session';
}

type Json = Record<string, unknown>;

const SCHEMES: Json = {
  signature: {
    type: 'apiKey',
    in: 'header',
    name: 'X-Intercom-Signature',
    description: 'Request signing, version 2: five X-Intercom headers. See docs/protocol.md.',
  },
  cookie: { type: 'apiKey', in: 'cookie', name: 'intercom_session_…', description: 'The session of the web app.' },
  bearer: {
    type: 'http',
    scheme: 'bearer',
    description: 'A token of `intercom login`, or the key of the unix socket.',
  },
};

export function openApiDocument(version: string, sections: readonly OpenApiSection[]): Json {
  const paths: Record<string, Json> = {};
  for (const section of sections) {
    for (const route of section.routes) {
      const path = `${section.base}${route.path}`.replace(/:([A-Za-z]+)/g, '{$1}');
      const operations = (paths[path] ??= {});
      operations[route.method.toLowerCase()] = operationOf(section, route);
    }
  }
  return {
    openapi: '3.1.0',
    info: { title: 'intercom hub', version, license: { name: 'MIT', identifier: 'MIT' } },
    tags: sections.map(({ name, description }) => ({ name, description })),
    paths,
    components: { securitySchemes: SCHEMES, schemas: { Error: schemaOf(ErrorBody, 'output') } },
  };
}

function operationOf(section: OpenApiSection, route: RouteFacts): Json {
  const { params, query, body, answer } = route.schemas;
  const parameters = [...parametersOf(params, 'path'), ...parametersOf(query, 'query')];
  const answered: Json =
    answer === undefined
      ? { '204': { description: 'Done' } }
      : { '200': { description: 'Done', content: jsonContent(schemaOf(answer, 'output')) } };
  return {
    tags: [section.name],
    summary: route.summary,
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(body === undefined ? {} : { requestBody: { required: true, content: jsonContent(schemaOf(body, 'input')) } }),
    responses: {
      ...answered,
      default: { description: 'Refused, and why', content: jsonContent({ $ref: '#/components/schemas/Error' }) },
    },
    ...securityOf(section),
  };
}

function securityOf(section: OpenApiSection): Json {
  if (section.security === 'signature') return { security: [{ signature: [] }] };
  return { security: section.security === 'session' ? [{ cookie: [] }, { bearer: [] }] : [] };
}

function parametersOf(schema: z.ZodType | undefined, place: 'path' | 'query'): Json[] {
  if (!(schema instanceof z.ZodObject)) return [];
  const json = schemaOf(schema, 'input');
  const properties = objectOf(json['properties']);
  const required: unknown[] = Array.isArray(json['required']) ? json['required'] : [];
  return Object.entries(properties).map(([name, inner]) => ({
    name,
    in: place,
    required: place === 'path' || required.includes(name),
    schema: inner,
  }));
}

function schemaOf(schema: z.ZodType, io: 'input' | 'output'): Json {
  const json = z.toJSONSchema(schema, { io, unrepresentable: 'any', target: 'draft-2020-12' });
  return Object.fromEntries(Object.entries(json).filter(([key]) => key !== '$schema'));
}

function objectOf(value: unknown): Json {
  return typeof value === 'object' && value !== null ? { ...value } : {};
}

function jsonContent(schema: Json): Json {
  return { 'application/json': { schema } };
}
