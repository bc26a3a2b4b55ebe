import type { Task } from '@medplum/fhirtypes';
import { z } from 'zod';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';

const coding = z.looseObject({
  system: z.string().optional(),
  code: z.string().optional(),
  display: z.string().optional(),
});
const concept = z.looseObject({ coding: z.array(coding).optional(), text: z.string().optional() });
const reference = z.looseObject({ reference: z.string().optional(), type: z.string().optional() });

const list = z.array(z.looseObject({})).optional();

/** Who may own a review (4.2); a whole URL where the EPR keeps them itself. */
const OWNER =
  /^(https?:\/\/[^\s]+\/)?(CareTeam|HealthcareService|Organization|Practitioner|PractitionerRole)\/[A-Za-z0-9.-]{1,64}$/;

/** The elements that a client may write (4.2), as far as the rules of decisions look into them; the store checks the rest. */
const clientElements = z.looseObject({
  resourceType: z.literal('Task'),
  status: z.string(),
  contained: list,
  extension: list,
  identifier: list,
  input: list,
  statusReason: concept.optional(),
  owner: reference.extend({ reference: z.string().regex(OWNER).optional() }).optional(),
  note: z.array(z.looseObject({ text: z.string(), authorReference: reference.optional() })).optional(),
  output: z
    .array(
      z.looseObject({
        type: concept,
        valueBoolean: z.boolean().optional(),
        valueCodeableConcept: concept.optional(),
        valueCoding: coding.optional(),
        valueReference: reference.optional(),
      }),
    )
    .optional(),
});

/** Checks that the rules can judge a Task at all. Issues: store-refused, with the element */
export function checkTaskShape(value: unknown): { task: Task } | Refusal {
  const parsed = clientElements.safeParse(value);
  if (parsed.success) return { task: value as Task };
  const [first] = parsed.error.issues;
  const expression = ['Task', ...(first?.path ?? [])]
    .map((step) => (typeof step === 'number' ? `[${step}]` : `.${String(step)}`))
    .join('')
    .slice(1);
  return refuse('store-refused', { text: `${expression} is not what FHIR R4 has there.`, expression });
}
