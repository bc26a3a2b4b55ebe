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

export interface Contract {
  check: CheckExchange;
  findings: Finding[];
  /** How often the url of a worklist item was written otherwise than in the schema. */
  respelt(): number;
}

// The package is CommonJS whose types claim a default export within the default export.
const addFormats = addFormatsModule as unknown as (ajv: Ajv) => void;

/**
 * Compiles e-RS's own OpenAPI tree into a check of requests and answers: parameters, media types, bodies and headers, both ways.
 * @param shared the folder that holds `ers/openapi`
 */
export async function compileContract(shared: string): Promise<Contract> {
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
  let respelt = 0;
  const check: CheckExchange = (received) => {
    const { exchange, count } = respell(received);
    respelt += count;
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
  return { check, findings, respelt: () => respelt };
}

/**
 * The schema's titles write WorklistItem, the urls WorkListItem, and e-RS may write either: an answer is checked as if it had
 * written all its items like the schema. Source: provider-api 4.3
 */
function respell(exchange: Exchange): { exchange: Exchange; count: number } {
  if (exchange.endpoint !== 'A008' || !exchange.answerBody) return { exchange, count: 0 };
  const parts = exchange.answerBody.toString('utf8').split('-WorklistItem-1"');
  return {
    exchange: { ...exchange, answerBody: Buffer.from(parts.join('-WorkListItem-1"')) },
    count: parts.length - 1,
  };
}

const normalise = (type: string): string => type.toLowerCase().replaceAll(' ', '').split(';')[0] ?? '';

/** A branch of an `anyOf` that a value never meant: its kind, url or profile is another. */
interface Unmeant {
  branch: string;
  /** The value, by its path. */
  at: string;
}
const KIND = /\/(resourceType|url|meta\/profile\/0)$/;
const isWithin = (path: string, outer: string): boolean => path === outer || path.startsWith(`${outer}/`);
const isChoice = ({ keyword }: ErrorObject): boolean => keyword === 'anyOf' || keyword === 'oneOf';

function unmeantBy({ keyword, instancePath, schemaPath }: ErrorObject): Unmeant[] {
  const branch = /^.*\/(anyOf|oneOf)\/\d+/.exec(schemaPath)?.[0];
  return keyword === 'enum' && KIND.test(instancePath) && branch !== undefined
    ? [{ branch, at: instancePath.replace(KIND, '') }]
    : [];
}

/** Each defect once: by the branch that a value meant, or, for a value of no known kind, by the choice itself. */
function errorsOf(isValid: ValidateFunction, where: string): string[] {
  const errors = isValid.errors ?? [];
  const unmeant = errors.flatMap(unmeantBy);
  const meant = errors.filter(
    ({ schemaPath, instancePath }) =>
      !unmeant.some(({ branch, at }) => isWithin(schemaPath, branch) && isWithin(instancePath, at)),
  );
  const isToldWithin = (choice: ErrorObject): boolean =>
    meant.some(
      (each) =>
        each !== choice &&
        isWithin(each.schemaPath, choice.schemaPath) &&
        isWithin(each.instancePath, choice.instancePath),
    );
  const told = meant.filter((error) => !isChoice(error) || !isToldWithin(error));
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
    const values = place === 'header' ? [requestHeaders[name.toLowerCase()] ?? []].flat() : query.getAll(name);
    if (values.length === 0 && isRequired) problems.push(`${place} ${name} is missing`);
    for (const value of values) if (isValid && !isValid(value)) problems.push(...errorsOf(isValid, `${place} ${name}`));
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
