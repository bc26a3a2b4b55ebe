import type { ParametersParameter } from '@medplum/fhirtypes';
import { z } from 'zod';
import type { Refusal } from './answer.ts';
import { readResource } from './body.ts';
import { refuse } from './outcome.ts';
import type { Call } from './room.ts';

const text = z.string().optional();
const whole = z.number().int().optional();

/** As far as an operation looks into its parameters; the rest of a parameter is nobody's. */
const parameters = z.object({
  parameter: z
    .array(
      z.looseObject({
        name: z.string(),
        valueString: text,
        valueCode: text,
        valueUri: text,
        valueInteger: whole,
        valueUnsignedInt: whole,
        valueReference: z.looseObject({ reference: text }).optional(),
        valueIdentifier: z.looseObject({ system: text, value: text }).optional(),
        resource: z.looseObject({ resourceType: z.string() }).optional(),
      }),
    )
    .optional(),
});

/** The parameters of an operation by name. */
export type Given = ReadonlyMap<string, ParametersParameter>;

/**
 * Reads the Parameters of an operation; no body at all gives none. What is misspelt or given twice must not be passed
 * over: it would seem obeyed.
 * @param taken names that the operation knows
 * Issues: media-type-unsupported, body-unreadable, parameter-invalid, parameter-unknown
 * Source: R4 parameters.html; operations.html
 */
export function readParameters(call: Call, operation: string, taken: readonly string[]): Given | Refusal {
  const read = readRepeatable(call, operation, taken, undefined);
  return 'isRefusal' in read ? read : read.given;
}

/** The same, with one parameter that may be given any number of times. */
export function readRepeatable(
  call: Call,
  operation: string,
  taken: readonly string[],
  repeatable: string | undefined,
): { readonly given: Given; readonly repeated: readonly ParametersParameter[] } | Refusal {
  const repeated: ParametersParameter[] = [];
  const given = new Map<string, ParametersParameter>();
  if (call.body === undefined || call.body.trim() === '') return { given, repeated };
  const read = readResource(call, 'Parameters');
  if ('isRefusal' in read) return read;
  const parsed = parameters.safeParse(read.resource);
  if (!parsed.success) {
    const [first] = parsed.error.issues;
    const expression = (first?.path ?? [])
      .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
      .join('');
    return refuse('body-unreadable', {
      text: `Parameters${expression} is not what FHIR R4 has there.`,
      expression: `Parameters${expression}`,
    });
  }
  for (const parameter of read.resource.parameter ?? []) {
    const { name = '' } = parameter;
    if (!taken.includes(name)) return unknown(operation, taken);
    if (name === repeatable) {
      repeated.push(parameter);
      continue;
    }
    if (given.has(name)) return twice(operation, name);
    given.set(name, parameter);
  }
  return { given, repeated };
}

/**
 * Reads the simple parameters of an operation that GET can call: from the query, or from a Parameters resource.
 * Issues: as readParameters
 */
export function readValues(
  call: Call,
  operation: string,
  taken: readonly string[],
): ReadonlyMap<string, string> | Refusal {
  const given = readParameters(call, operation, taken);
  if ('isRefusal' in given) return given;
  const values = new Map(
    [...given].map(([name, { valueUri, valueString, valueCode, valueInteger, valueUnsignedInt }]) => [
      name,
      String(valueUri ?? valueString ?? valueCode ?? valueInteger ?? valueUnsignedInt ?? ''),
    ]),
  );
  for (const [name, value] of call.query) {
    if (name === '_format' || name === '_pretty') continue;
    if (!taken.includes(name)) return unknown(operation, taken);
    if (values.has(name)) return twice(operation, name);
    values.set(name, value);
  }
  return values;
}

const unknown = (operation: string, taken: readonly string[]) =>
  refuse('parameter-unknown', { text: `${operation} takes ${taken.join(', ')}, and nothing else.` });

const twice = (operation: string, name: string) =>
  refuse('parameter-invalid', { text: `${operation} takes ${name} once.` });
