import type { Answer } from './answers.ts';
import { emptyAnswer, stu3Outcome } from './answers.ts';
import type { Parameter } from './wire.ts';

type ValueName = Exclude<keyof Parameter, 'name'>;

/** What one parameter of an operation looks like. */
export interface ParameterRule {
  value: ValueName;
  isRequired?: boolean;
  isRepeatable?: boolean;
  maxLength?: number;
}
export interface ParameterRules {
  profile: string;
  parameters: Record<string, ParameterRule>;
  /** The code for a name that the operation does not know; not every operation lists UNEXPECTED_FIELD. */
  unknownName: 'UNEXPECTED_FIELD' | 'INVALID_VALUE' | 'INAPPROPRIATE_VALUE';
  /** What an operation says to a body that is JSON but not its FHIR structure: 422 in A008, 400 elsewhere. */
  brokenStructure: 'INVALID_FHIR_STRUCTURE' | 'empty-400';
}
export type ReadParameters = { values: Map<string, Parameter[]> } | { refusal: Answer };

const TYPE_OF: Record<ValueName, 'object' | 'string' | 'boolean' | 'number'> = {
  resource: 'object',
  valueBoolean: 'boolean',
  valueCodeableConcept: 'object',
  valueCoding: 'object',
  valueIdentifier: 'object',
  valueInteger: 'number',
  valueReference: 'object',
  valueString: 'string',
  valueUnsignedInt: 'number',
};

/**
 * Reads the Parameters of an operation by its rules; the first broken rule is the answer.
 * Source: provider-api 2.1 (diagnostics name the path), 2.3
 */
export function readParameters(json: unknown, rules: ParameterRules): ReadParameters {
  const body = json as { meta?: { profile?: unknown }; parameter?: unknown };
  const broken = (path: string): { refusal: Answer } => ({
    refusal:
      rules.brokenStructure === 'empty-400'
        ? emptyAnswer(400)
        : stu3Outcome(422, 'INVALID_FHIR_STRUCTURE', `'${path}' has the wrong structure`),
  });
  if (!Array.isArray(body.parameter)) return broken('parameter');
  const profiles = Array.isArray(body.meta?.profile) ? body.meta.profile : [];
  if (!profiles.includes(rules.profile))
    return { refusal: stu3Outcome(422, 'INVALID_VALUE', `'meta.profile' must be ${rules.profile}`) };
  const values = new Map<string, Parameter[]>();
  for (const [index, each] of body.parameter.entries()) {
    if (typeof each !== 'object' || each === null || Array.isArray(each)) return broken(`parameter[${index}]`);
    const parameter: Parameter = each;
    const name = typeof parameter.name === 'string' ? parameter.name : '';
    const rule = rules.parameters[name];
    const path = `parameter[${index}]`;
    if (!rule) return { refusal: stu3Outcome(422, rules.unknownName, `'${path}' (${name}) unknown parameter name`) };
    const value = parameter[rule.value];
    if (typeof value !== TYPE_OF[rule.value] || value === null || Array.isArray(value)) {
      const hasNone = Object.keys(parameter).every((key) => key === 'name');
      const code = hasNone ? 'MISSING_VALUE' : 'INVALID_VALUE';
      return { refusal: stu3Outcome(422, code, `'${path}/${rule.value}' (${name}) is not a ${rule.value}`) };
    }
    if (rule.maxLength !== undefined && typeof value === 'string' && value.length > rule.maxLength)
      return { refusal: stu3Outcome(422, 'INVALID_VALUE', `'${path}' (${name}) exceeds ${rule.maxLength} characters`) };
    if (rule.isRequired && value === '')
      return { refusal: stu3Outcome(422, 'MISSING_VALUE', `'${path}' (${name}) is empty`) };
    const sofar = values.get(name) ?? [];
    if (sofar.length > 0 && !rule.isRepeatable)
      return { refusal: stu3Outcome(422, 'INVALID_VALUE', `'${path}' (${name}) is given twice`) };
    values.set(name, [...sofar, parameter]);
  }
  for (const [name, rule] of Object.entries(rules.parameters))
    if (rule.isRequired && !values.has(name))
      return { refusal: stu3Outcome(422, 'MISSING_VALUE', `'parameter' (${name}) is missing`) };
  return { values };
}
