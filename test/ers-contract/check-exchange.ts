import { join } from 'node:path';
import { dereference } from '@apidevtools/json-schema-ref-parser';
import type { ErrorObject, ValidateFunction } from 'ajv';
import { Ajv } from 'ajv';
import addFormatsModule from 'ajv-formats';
import type { CheckExchange, Exchange } from '../../simulator/index.ts';

interface Header {
  required?: boolean;
  schema?: object;
}
interface Body {
  content?: Record<string, { schema?: object }>;
}
interface Operation {
  operationId: string;
  parameters?: (Header & { name: string; in: 'header' | 'path' | 'query' })[];
  requestBody?: Body & { required?: boolean };
  responses: Record<string, Body & { headers?: Record<string, Header> }>;
}
interface Compiled {
  pattern: RegExp;
  method: string;
  operation: Operation;
  parameters: { name: string; in: string; isRequired: boolean; isValid: ValidateFunction | undefined }[];
  request: Map<string, ValidateFunction>;
  answers: Map<string, Map<string, ValidateFunction>>;
}

/** What the check found in one exchange. */
export interface Finding {
  endpoint: string;
  status: number;
  mode: 'application' | 'user';
  side: 'request' | 'answer';
  problem: string;
}

// The package is CommonJS whose types claim a default export within the default export.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void;

/**
 * Compiles e-RS's own OpenAPI tree into a check of requests and answers: parameters, media types, bodies and headers, both ways.
 * @param shared the folder that holds `ers/openapi`
 */
export async function compileContract(shared: string): Promise<{ check: CheckExchange; findings: Finding[] }> {
  const api = (await dereference(join(shared, 'ers/openapi/e-referrals-service-api.yaml'))) as unknown as {
    paths: Record<string, Record<string, Operation>>;
  };
  // The tree uses formats that nobody defines, `token` and whole patterns: ajv passes these over
  const ajv = new Ajv({ strict: false, allErrors: true, logger: false });
  addFormats(ajv);
  const schemaOf = (schema: object | undefined): ValidateFunction | undefined => schema && ajv.compile(schema);
  const bodies = ({ content = {} }: Body): Map<string, ValidateFunction> =>
    new Map(
      Object.entries(content).flatMap(([type, { schema }]) => {
        const isValid = type.includes('json') ? schemaOf(schema) : ajv.compile({});
        return isValid ? [[normalise(type), isValid] as const] : [];
      }),
    );
  const compiled: Compiled[] = [];
  for (const [template, item] of Object.entries(api.paths))
    for (const [method, operation] of Object.entries(item)) {
      if (!operation.operationId) continue;
      compiled.push({
        pattern: new RegExp(`^${template.replaceAll(/[$.]/g, '\\$&').replaceAll(/\{\w+\}/g, '[^/$]+')}$`),
        method: method.toUpperCase(),
        operation,
        parameters: (operation.parameters ?? []).map((each) => ({
          name: each.name,
          in: each.in,
          isRequired: each.required ?? false,
          isValid: schemaOf(each.schema),
        })),
        request: bodies(operation.requestBody ?? {}),
        answers: new Map(Object.entries(operation.responses).map(([status, response]) => [status, bodies(response)])),
      });
    }

  const findings: Finding[] = [];
  const check: CheckExchange = (exchange) => {
    const path = decodeURIComponent(exchange.path.split('?')[0] ?? '');
    const match = compiled.find(({ pattern, method }) => method === exchange.method && pattern.test(path));
    const found = match
      ? [
          ...checkRequest(match, exchange).map((problem) => ({ side: 'request' as const, problem })),
          ...checkAnswer(match, exchange).map((problem) => ({ side: 'answer' as const, problem })),
        ]
      : [{ side: 'request' as const, problem: 'the contract knows no such operation' }];
    const mode = exchange.requestHeaders['nhsd-ers-business-function'] === undefined ? 'application' : 'user';
    findings.push(
      ...found.map((each) => ({ ...each, endpoint: exchange.endpoint, status: exchange.status, mode }) as const),
    );
    return found.map(({ problem }) => problem);
  };
  return { check, findings };
}

const normalise = (type: string): string => type.toLowerCase().replaceAll(' ', '').split(';')[0] ?? '';

/** The branches of an `anyOf` that a value never meant: their kind, url or profile is another. */
const isOfAnotherKind = ({ keyword, instancePath }: ErrorObject): boolean =>
  keyword === 'enum' && /\/(resourceType|url|meta\/profile\/0)$/.test(instancePath);
const branchOf = (schemaPath: string): string | undefined => /^.*\/(anyOf|oneOf)\/\d+/.exec(schemaPath)?.[0];

function errorsOf(isValid: ValidateFunction, where: string): string[] {
  const errors = isValid.errors ?? [];
  const isChoice = ({ keyword }: ErrorObject): boolean => keyword === 'anyOf' || keyword === 'oneOf';
  const unmeant = errors.filter(isOfAnotherKind).flatMap(({ schemaPath }) => branchOf(schemaPath) ?? []);
  const meant = errors.filter(
    (error) => !isChoice(error) && !unmeant.some((branch) => error.schemaPath.startsWith(branch)),
  );
  // A value of no known kind is one problem, not the sum of what every kind lacks
  const [outermost] = errors.filter(isChoice).toSorted((one, other) => one.schemaPath.length - other.schemaPath.length);
  const told = meant.length > 0 ? meant : outermost ? [outermost] : errors;
  return [
    ...new Set(
      told.map(
        ({ instancePath, message, params }) =>
          `${where}${instancePath.replaceAll(/\/\d+/g, '/*')} ${message} ${JSON.stringify(params)}`,
      ),
    ),
  ];
}

function checkRequest(
  { parameters, request, operation }: Compiled,
  { requestHeaders, requestBody, path, method }: Exchange,
): string[] {
  const query = new URLSearchParams(path.split('?')[1] ?? '');
  const problems: string[] = [];
  for (const { name, in: place, isRequired, isValid } of parameters) {
    if (place === 'path') continue;
    const value = place === 'header' ? requestHeaders[name.toLowerCase()] : (query.get(name) ?? undefined);
    if (value === undefined) {
      if (isRequired) problems.push(`${place} ${name} is missing`);
    } else if (isValid && place === 'header' && !isValid(value)) problems.push(...errorsOf(isValid, `header ${name}`));
  }
  if (method !== 'POST') return problems;
  if (!operation.requestBody) return requestBody.length > 0 ? [...problems, 'a body where none belongs'] : problems;
  const isValid = request.get(normalise(requestHeaders['content-type'] ?? ''));
  if (!isValid) return [...problems, `request type ${requestHeaders['content-type']} is not in the contract`];
  if (!(requestHeaders['content-type'] ?? '').includes('json')) return problems;
  return isValid(parse(requestBody)) ? problems : [...problems, ...errorsOf(isValid, 'request')];
}

function checkAnswer({ answers, operation }: Compiled, { status, answerHeaders, answerBody }: Exchange): string[] {
  const bodies = answers.get(String(status));
  if (!bodies) return [`status ${status} is not in the contract`];
  const problems: string[] = [];
  const type = answerHeaders['Content-Type'];
  for (const [name, header] of Object.entries(operation.responses[String(status)]?.headers ?? {})) {
    const value = answerHeaders[name];
    if (header.required && value === undefined) problems.push(`answer header ${name} is missing`);
  }
  if (type === undefined) return answerBody?.length ? [...problems, 'a body without a type'] : problems;
  if (bodies.size === 0) return answerBody?.length ? [...problems, 'a body where the contract has none'] : problems;
  const isValid = bodies.get(normalise(type)) ?? bodies.get('*/*');
  if (!isValid) return [...problems, `answer type ${type} is not in the contract`];
  if (!type.includes('json') || answerBody === undefined) return problems;
  return isValid(parse(answerBody)) ? problems : [...problems, ...errorsOf(isValid, 'answer')];
}

function parse(body: Buffer): unknown {
  try {
    return JSON.parse(body.toString('utf8'));
  } catch {
    return undefined;
  }
}
