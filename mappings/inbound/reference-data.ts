import type { CodeSystem, CodeSystemConcept, CodeSystemConceptProperty, CodeSystemProperty } from '@medplum/fhirtypes';
import type { Mapped } from '../model.ts';
import { CODE_SYSTEM } from '../systems.ts';
import { normaliseSystem, referenceDataOf } from '../tables/code-systems.ts';
import { Findings, readCoding, readStructure } from './elements.ts';
import { Source } from './source.ts';
import { unmappedExtensions } from './unmapped.ts';

/** A reason for which a provider may reject, as A014 wants it. */
export interface RejectionReason {
  readonly code: string;
  readonly display: string;
  readonly commentIsMandatory: boolean;
}

/** Marks an identifier that is a URI. Source: FHIR R4, Identifier */
const URI_SYSTEM = 'urn:ietf:rfc:3986';

/** e-RS's sandbox writes `_baseUrl_/STU3/…`, which is none (HL7's validator refuses it under that system). */
const ABSOLUTE_URI = /^[a-z][a-z0-9+.-]*:/i;

const PROPERTY_TYPES = ['code', 'Coding', 'string', 'integer', 'boolean', 'dateTime', 'decimal'] as const;

const REPEATED_DATE = /\/Extension-eRS-Effective(from|to)Date-1$/;

/** `CLINIC-TYPE` → `ErsClinicType`: e-RS's own name is words for people, and no name that R4 takes (csd-0). */
const computableName = (name: string): string =>
  `Ers${name.toLowerCase().replaceAll(/(?:^|-)([a-z])/g, (_, letter: string) => letter.toUpperCase())}`;

/** Systems of the NHS, of which e-RS states a part; the others are e-RS's own, and complete (target-model 5). */
const NHS_SYSTEMS: readonly string[] = [CODE_SYSTEM.specialty, CODE_SYSTEM.clinicType, CODE_SYSTEM.priority];

/**
 * Maps a CodeSystem of A004, with every property. The environment's own URL stays as an identifier:
 * {@link environmentSystemOf} gives it back for what is sent to e-RS.
 * Issues: REQUIRED_ELEMENT_MISSING where the answer is no CodeSystem of e-RS
 * Source: A004; target-model 5, G-3
 */
export function mapReferenceData(value: unknown): Mapped<CodeSystem> {
  const source = new Source(value, 'CodeSystem');
  const environmentUrl = source.get('url').uri();
  const { system } = normaliseSystem(environmentUrl ?? '');
  const name = referenceDataOf(system);
  const isCodeSystem = source.get('resourceType').peek() === 'CodeSystem' && source.get('concept').isArray;
  if (!isCodeSystem || name === undefined || environmentUrl === undefined)
    return { ok: false, issues: [{ code: 'REQUIRED_ELEMENT_MISSING', at: 'CodeSystem' }] };
  const findings = new Findings();
  readStructure(source, 'CodeSystem', ['shareablecodesystem', 'eRS-Specialty-CodeSystem-1']);
  source.get('id').structural();
  for (const constant of ['status', 'content']) source.get(constant).structural();
  const property = source
    .get('property')
    .items()
    .flatMap((one) => readProperty(one) ?? []);
  const concept = source
    .get('concept')
    .items()
    .flatMap((one) => readConceptDefinition(one, findings) ?? []);
  const content: CodeSystem = {
    resourceType: 'CodeSystem',
    id: `ers-${name.toLowerCase()}`,
    url: system,
    identifier: [{ ...(ABSOLUTE_URI.test(environmentUrl) && { system: URI_SYSTEM }), value: environmentUrl }],
    ...optional('version', source.get('version').text()),
    name: computableName(name),
    ...optional('title', source.get('name').text()),
    status: 'active',
    ...optional('experimental', source.get('experimental').boolean()),
    ...optional('date', source.get('date').dateTime()),
    ...optional('publisher', source.get('publisher').text()),
    ...optional('description', source.get('description').text()),
    ...optional('copyright', source.get('copyright').text()),
    ...optional('caseSensitive', source.get('caseSensitive').boolean()),
    content: NHS_SYSTEMS.includes(system) ? 'fragment' : 'complete',
    ...(property.length > 0 && { property }),
    ...(concept.length > 0 && { concept }),
  };
  const leftovers = source.leftovers();
  for (const { path, invalid } of leftovers) findings.add(invalid ? 'VALUE_INVALID' : 'VALUE_UNMAPPED', path);
  const extension = unmappedExtensions(leftovers);
  return {
    ok: true,
    value: extension.length > 0 ? { ...content, extension } : content,
    issues: findings.issues,
  };
}

/**
 * The system under which the environment that a mirror came from takes these codes; undefined on a CodeSystem that no
 * answer of A004 was mapped to.
 * Source: G-3, last paragraph of 1.0.1
 */
export const environmentSystemOf = (mirror: CodeSystem): string | undefined =>
  mirror.identifier?.find(({ system }) => system === undefined || system === URI_SYSTEM)?.value;

/**
 * The reasons for which a provider may reject at an instant, in e-RS's order.
 * @param mirror APPOINTMENT-CANCELLATION-REASON as {@link mapReferenceData} made it
 * @param at an ISO instant
 * Source: A004, A014; provider-api 6.1, reason selection
 */
export function rejectionReasons(mirror: CodeSystem, at: string): RejectionReason[] {
  const time = Date.parse(at);
  return (mirror.concept ?? [])
    .filter((concept) => {
      const { effectiveFrom, effectiveTo } = datesOf(concept);
      const isRejection =
        propertyOf(concept, 'appointmentBookingCancellationReasonType')?.valueCoding?.code === 'PROVIDER_REJECT';
      return isRejection && effectiveFrom <= time && time < effectiveTo;
    })
    .map((concept) => ({
      code: concept.code ?? '',
      display: concept.display ?? concept.code ?? '',
      commentIsMandatory: propertyOf(concept, 'commentIsMandatory')?.valueBoolean ?? false,
    }));
}

const propertyOf = (concept: CodeSystemConcept, code: string): CodeSystemConceptProperty | undefined =>
  concept.property?.find((property) => property.code === code);

/** e-RS: usable from the one, and up to but not at the other; without dates, always. */
function datesOf(concept: CodeSystemConcept) {
  const from = propertyOf(concept, 'effectiveFrom')?.valueDateTime;
  const to = propertyOf(concept, 'effectiveTo')?.valueDateTime;
  return {
    effectiveFrom: from === undefined ? Number.NEGATIVE_INFINITY : Date.parse(from),
    effectiveTo: to === undefined ? Number.POSITIVE_INFINITY : Date.parse(to),
  };
}

function readProperty(source: Source): CodeSystemProperty | undefined {
  const raw = source.get('type').peek();
  const type = PROPERTY_TYPES.find((known) => known === raw);
  const code = source.get('code').code();
  if (!type || code === undefined) return undefined;
  source.get('type').taken();
  return { code, type, ...optional('uri', source.get('uri').uri()) };
}

function readConceptDefinition(source: Source, findings: Findings): CodeSystemConcept | undefined {
  const code = source.get('code').code();
  if (code === undefined) return undefined;
  const property = source
    .get('property')
    .items()
    .flatMap((one) => readConceptProperty(one, findings) ?? []);
  for (const one of source.get('extension').items()) passRepeatedDate(one, property);
  return {
    code,
    ...optional('display', source.get('display').text()),
    ...(property.length > 0 && { property }),
  };
}

/** SPECIALTY says the dates of its properties a second time, in extensions of STU3; one that says another date is kept (G-2). */
function passRepeatedDate(source: Source, property: readonly CodeSystemConceptProperty[]): void {
  const end = REPEATED_DATE.exec(source.get('url').peek() ?? '')?.[1];
  const date = source.get('valueDate').peek();
  const isRepeated = property.some(
    ({ code, valueDateTime }) =>
      code === (end === 'to' ? 'effectiveTo' : 'effectiveFrom') && valueDateTime?.slice(0, date?.length) === date,
  );
  if (end !== undefined && date?.length === 'YYYY-MM-DD'.length && isRepeated) source.structural();
}

function readConceptProperty(source: Source, findings: Findings): CodeSystemConceptProperty | undefined {
  const value = readPropertyValue(source, findings);
  const code = value && source.get('code').code();
  return code === undefined || !value ? undefined : { code, ...value };
}

function readPropertyValue(source: Source, findings: Findings): Partial<CodeSystemConceptProperty> | undefined {
  const coding = source.get('valueCoding').exists ? readCoding(source.get('valueCoding'), findings) : undefined;
  if (coding) return { valueCoding: coding };
  const dateTime = source.get('valueDateTime').exists ? source.get('valueDateTime').dateTime() : undefined;
  if (dateTime !== undefined) return { valueDateTime: dateTime };
  const boolean = source.get('valueBoolean').exists ? source.get('valueBoolean').boolean() : undefined;
  if (boolean !== undefined) return { valueBoolean: boolean };
  const integer = source.get('valueInteger').exists ? source.get('valueInteger').unsigned() : undefined;
  if (integer !== undefined) return { valueInteger: integer };
  const code = source.get('valueCode').exists ? source.get('valueCode').code() : undefined;
  if (code !== undefined) return { valueCode: code };
  const text = source.get('valueString').exists ? source.get('valueString').text() : undefined;
  return text === undefined ? undefined : { valueString: text };
}

const optional = <K extends string, V>(name: K, value: V | undefined): { [P in K]?: V } =>
  value === undefined ? {} : ({ [name]: value } as { [P in K]?: V });
