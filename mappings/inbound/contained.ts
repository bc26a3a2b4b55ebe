import { Extensions, type Findings } from './elements.ts';
import type { Source } from './source.ts';

export interface ContainedResource {
  readonly resource: Source;
  readonly id: string | undefined;
}

/** Finds contained resources. */
export interface Contained {
  ofType(type: string): readonly ContainedResource[];
  anchored(type: string, anchor: string | undefined): Source | undefined;
}

/** The resources within a referral, found by what they are and by the anchors that point at them. */
export function readContained(source: Source): Contained {
  const all = source
    .get('contained')
    .items()
    .map((resource) => ({ resource, type: resource.get('resourceType').peek(), id: resource.get('id').peek() }));
  const ofType = (type: string) => all.filter((one) => one.type === type);
  /** The one that an anchor points at, else the first: an anchor that leads nowhere must not hide the content. */
  const anchored = (type: string, anchor: string | undefined): Source | undefined =>
    (ofType(type).find(({ id }) => id !== undefined && `#${id}` === anchor) ?? ofType(type)[0])?.resource;
  return { ofType, anchored };
}

/** What an extension of that name points at. */
export const anchorOf = (source: Source, name: string): string | undefined =>
  source
    .get('extension')
    .items()
    .find((one) => one.get('url').peek()?.toLowerCase().endsWith(name.toLowerCase()))
    ?.get('valueReference')
    .get('reference')
    .peek();

/** M-24, M-26: an anchor to what was mapped is structural; one that leads nowhere is kept. */
export function readAnchor(source: Source, name: string, target: Source | undefined, findings: Findings): void {
  const id = target?.get('id').peek();
  new Extensions(source).one(name, (extension) => {
    const reference = extension.get('valueReference').get('reference');
    if (id !== undefined && reference.peek() === `#${id}`) {
      reference.structural();
      return true;
    }
    findings.add('REFERENCE_DANGLING', reference.at);
    return undefined;
  });
}

/** M-82: beside the List, or in it. */
export function findCriteria(list: Source, anchored: Contained['anchored']): Source | undefined {
  const nested = list
    .get('contained')
    .items()
    .find((one) => one.get('resourceType').peek() === 'Parameters');
  return nested ?? anchored('Parameters', anchorOf(list, 'Extension-eRS-Shortlist-SearchCriteria-1'));
}

/** M-25 */
export function readAppointmentId(source: Source): string | undefined {
  return new Extensions(source).one('Extension-eRS-Appointment-Reference-1', (extension) => {
    const reference = extension.get('valueReference').get('reference');
    const id = /^Appointment\/(\S+)$/.exec(reference.peek() ?? '')?.[1];
    if (id !== undefined) reference.taken();
    return id;
  });
}

/** M-110: by attachment id, else by contained id; where one id stands on two files, the later ones carry both. */
export function nameDocuments(all: readonly ContainedResource[]) {
  const used = new Set<string>();
  return all
    .toSorted((a, b) => ((a.id ?? '') < (b.id ?? '') ? -1 : 1))
    .map(({ resource, id }) => {
      const own = resource.first('content').get('attachment').get('id').peek() ?? id ?? 'unnamed';
      let attachmentId = own;
      for (let n = 2; used.has(attachmentId); n++)
        attachmentId = n === 2 && id !== undefined ? `${own}.${id}` : `${own}.${n}`;
      used.add(attachmentId);
      return { resource, id, attachmentId };
    });
}
