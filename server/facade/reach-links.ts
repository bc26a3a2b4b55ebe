import { isServedType, type SearchEntry, type ServedType, searchEntriesOf } from '../../conformance/index.ts';
import type { Refusal } from './answer.ts';
import { refuse } from './outcome.ts';
import { isOpen } from './reach.ts';

/**
 * References along which a limited client may search: what they lead to belongs to the same referral as what has them,
 * so the client reaches the one if it reaches the other. Types that are open need no row.
 */
const SAME_REFERRAL: Readonly<Record<string, readonly ServedType[]>> = {
  'Appointment:actor': ['Patient'],
  'Appointment:based-on': ['ServiceRequest'],
  'Appointment:patient': ['Patient'],
  'DocumentReference:patient': ['Patient'],
  'DocumentReference:related': ['ServiceRequest', 'Task'],
  'DocumentReference:subject': ['Patient'],
  'Provenance:target': ['ServiceRequest', 'Task'],
  'ServiceRequest:patient': ['Patient'],
  'ServiceRequest:subject': ['Patient'],
  'ServiceRequest:supporting-info': ['DocumentReference'],
  'Task:focus': ['ServiceRequest'],
  'Task:patient': ['Patient'],
  'Task:subject': ['Patient'],
};

const leadsToOwn = (source: ServedType, code: string, target: ServedType): boolean =>
  isOpen(target) || (SAME_REFERRAL[`${source}:${code}`]?.includes(target) ?? false);

/** Back along a reference: a patient has referrals to other services as well, so from there nothing leads back. */
const leadsBackToOwn = (source: ServedType, code: string, target: ServedType): boolean =>
  isOpen(source) || (target !== 'Patient' && (SAME_REFERRAL[`${source}:${code}`]?.includes(target) ?? false));

const entryOf = (type: ServedType, code: string): SearchEntry | undefined =>
  searchEntriesOf(type).find((entry) => entry.code === code);

/** Parameters whose value may name a related referral, which may be another service's. */
const NAMES_RELATED: readonly string[] = ['based-on', 'replaces', 'supporting-info'];

/**
 * Refuses what a search could learn of other services by: a chain, `_has` or inclusion that passes through resources
 * which the client does not reach. The search was found well-formed before.
 * Issues: beyond-services
 */
export function refuseForeignLinks(type: ServedType, parameters: URLSearchParams): Refusal | undefined {
  const isIterated = [...parameters.keys()].some((name) => name.endsWith(':iterate'));
  for (const [name, value] of parameters) {
    if (name === '_sort') {
      if (type === 'ServiceRequest' && value.split(',').some((key) => NAMES_RELATED.includes(key.replace(/^-/, ''))))
        return beyond('Sort by something else than the related referrals.');
    } else if (/^_(rev)?include(:iterate)?$/.test(name)) {
      if (!isOwnInclude(type, name, value, isIterated)) return beyondInclude(name, value);
    } else if (!isOwnPath(type, name, value)) {
      return beyond(
        'A condition leads along references of one referral only, and never from a patient back: ask for the referrals themselves (ServiceRequest?subject=…), and name the type of a reference that may hold several (performer:HealthcareService.identifier).',
      );
    }
  }
  return undefined;
}

function isOwnPath(type: ServedType, name: string, value: string): boolean {
  if (name.startsWith('_has:')) {
    const [, source = '', code = '', ...rest] = name.split(':');
    return isServedType(source) && leadsBackToOwn(source, code, type) && isOwnPath(source, rest.join(':'), value);
  }
  const dot = name.indexOf('.');
  const [code = '', modifier] = (dot < 0 ? name : name.slice(0, dot)).split(':');
  if (dot < 0) return type !== 'ServiceRequest' || !NAMES_RELATED.includes(code) || namesNoReferral(modifier, value);
  const targets = modifier === undefined ? (entryOf(type, code)?.targets ?? []) : [modifier].filter(isServedType);
  const rest = name.slice(dot + 1);
  return (
    targets !== 'any' && targets.every((target) => leadsToOwn(type, code, target) && isOwnPath(target, rest, value))
  );
}

/** Related referrals are asked for by UBRN: their ids are not shown to a limited client. */
const namesNoReferral = (modifier: string | undefined, value: string): boolean =>
  modifier === 'identifier' ||
  modifier === 'DocumentReference' ||
  value.split(',').every((one) => one.startsWith('DocumentReference/'));

function isOwnInclude(type: ServedType, name: string, value: string, isIterated: boolean): boolean {
  const [source = '', code = '', named] = value.split(':');
  if (!isServedType(source)) return false;
  const targets = named === undefined ? entryOf(source, code)?.targets : [named].filter(isServedType);
  if (name === '_revinclude') return leadsBackToOwn(source, code, type);
  if (name === '_revinclude:iterate')
    return targets !== undefined && targets !== 'any' && targets.every((one) => leadsBackToOwn(source, code, one));
  // What was included is looked at before it is let out; but who goes on from there must not pass a foreign resource.
  if (isIterated) return targets !== undefined && targets !== 'any' && isAllOwn(source, code, targets);
  return targets === 'any'
    ? SAME_REFERRAL[value] !== undefined
    : named === undefined || isAllOwn(source, code, targets);
}

const isAllOwn = (source: ServedType, code: string, targets: readonly ServedType[] | undefined): boolean =>
  targets?.every((target) => leadsToOwn(source, code, target)) ?? false;

/** Types, not open ones, that the inclusions of a search may bring; the same for one search, whatever is in the store. */
export function includedTypes(parameters: URLSearchParams): ReadonlySet<ServedType> {
  const types = [...parameters].flatMap(([name, value]): readonly ServedType[] => {
    if (!/^_(rev)?include(:iterate)?$/.test(name)) return [];
    const [source = '', code = ''] = value.split(':');
    if (name.startsWith('_rev')) return isServedType(source) ? [source] : [];
    return SAME_REFERRAL[`${source}:${code}`] ?? [];
  });
  return new Set(types.filter((type) => !isOpen(type)));
}

const beyond = (remedy: string): Refusal =>
  refuse('beyond-services', { text: `This could tell of services that this client is not given. ${remedy}` });

const beyondInclude = (name: string, value: string): Refusal => {
  const isBack = name.startsWith('_rev');
  return beyond(
    `${name}=${value} is not offered to it: ${isBack ? 'search the type that refers, and include what it refers to.' : 'name the type, such as Task:focus:ServiceRequest or ServiceRequest:supporting-info:DocumentReference.'}`,
  );
};
