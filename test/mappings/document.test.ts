import { describe, expect, test } from '@jest/globals';
import {
  type Availability,
  availabilityOf,
  clinicalSummaryBinaryId,
  clinicalSummaryDocument,
  extensionOf,
  mapReferral,
  SYSTEM,
  withAvailability,
  withBinary,
} from '../../mappings/index.ts';
import { asJson, ersFixture, ids, mustMap } from './fixtures.ts';
import { faultsOf } from './r4.ts';

/** The first attachment of the booked fixture, after a change to it. */
// biome-ignore lint/suspicious/noExplicitAny: a source document is altered at will
function documentAfter(change: (attachment: any) => void = () => {}) {
  const source = ersFixture('a005-booked');
  change(source.contained[3].content[0].attachment);
  const mapped = mapReferral(source, { ids });
  const document = mustMap(mapped).documents[0];
  if (!document) throw new Error('no document');
  return { document, issues: mapped.issues.map(({ code }) => code) };
}

const STORED = { binaryId: 'b-1', size: 18, sha1: 'qUqP5cyxm6YcTAhz05Hph5gvu9M=', contentType: 'application/pdf' };

/** Table 1.6.1. */
const ROWS: readonly [code: string, availability: Availability, docStatus: string | undefined, reason: string][] = [
  ['AVAILABLE', 'AVAILABLE', 'final', 'temp-unknown'],
  ['PENDING', 'PENDING', 'preliminary', 'temp-unknown'],
  ['THREATS_FOUND', 'THREATS_FOUND', undefined, 'not-permitted'],
  ['THREATS FOUND', 'THREATS_FOUND', undefined, 'not-permitted'],
  ['VALIDATION_FAILED', 'VALIDATION_FAILED', undefined, 'error'],
  ['ON_HOLIDAY', 'UNKNOWN', undefined, 'unknown'],
];

const shape = (resource: object) => asJson(resource) as { docStatus?: string; content: [{ attachment: object }] };

describe('attachments', () => {
  test.each(ROWS)(
    '1.6.1, M-118: %s is %s: docStatus %s, no file for the reason %s',
    (code, availability, docStatus, reason) => {
      const { document } = documentAfter((attachment) => (attachment.extension[0].valueCoding.code = code));
      expect(document.availability).toBe(availability);
      expect(shape(document.resource).docStatus).toBe(docStatus);
      expect(shape(document.resource).content[0].attachment).toMatchObject({
        _url: { extension: [{ valueCode: reason }] },
      });
      expect(
        extensionOf(document.resource.content?.[0]?.attachment, 'ers-availability-status')?.valueCoding?.code,
      ).toBe(code);
      expect(faultsOf(document.resource)).toEqual([]);
    },
  );

  test('1.6.1: an availability that nobody knows is reported', () => {
    const { issues } = documentAfter((attachment) => (attachment.extension[0].valueCoding.code = 'ON_HOLIDAY'));
    expect(issues).toContain('CODE_UNKNOWN');
  });

  test.each<[Availability, string | undefined, string]>([
    ['PENDING', 'preliminary', 'temp-unknown'],
    ['THREATS_FOUND', undefined, 'not-permitted'],
    ['VALIDATION_FAILED', undefined, 'error'],
  ])('1.6.1: when A042 says %s of an available file, the newer answer wins', (availability, docStatus, reason) => {
    const resource = withAvailability(documentAfter().document, availability);
    expect(resource.docStatus).toBe(docStatus);
    expect(availabilityOf(resource)).toBe(availability);
    expect(shape(resource).content[0].attachment).toMatchObject({ _url: { extension: [{ valueCode: reason }] } });
    expect(faultsOf(resource)).toEqual([]);
  });

  test('1.6.1: an available file that A042 cannot give is final, and its absence temporary', () => {
    const resource = withAvailability(documentAfter().document, 'AVAILABLE');
    expect(resource).toEqual(documentAfter().document.resource);
    expect(resource.docStatus).toBe('final');
  });

  test('M-116, M-117: a stored file has url, size and hash, and no reason for its absence', () => {
    const resource = withBinary(documentAfter().document, STORED);
    expect(faultsOf(resource)).toEqual([]);
    const attachment = resource.content?.[0]?.attachment;
    expect(attachment).toMatchObject({ url: 'Binary/b-1', size: 18, hash: STORED.sha1 });
    expect(attachment).not.toHaveProperty('_url');
    expect(extensionOf(attachment, 'ers-declared-size')).toBeUndefined();
  });

  test('M-116: a size that e-RS declared otherwise stays beside the real one', () => {
    const attachment = withBinary(documentAfter().document, { ...STORED, size: 4096 }).content?.[0]?.attachment;
    expect(attachment?.size).toBe(4096);
    expect(extensionOf(attachment, 'ers-declared-size')?.valueUnsignedInt).toBe(18);
  });

  test('M-115: the type that was served wins over the one declared', () => {
    const resource = withBinary(documentAfter().document, { ...STORED, contentType: 'text/plain' });
    expect(resource.content?.[0]?.attachment?.contentType).toBe('text/plain');
  });

  test('I-9, K3: e-RS’s own Binary id stays on the attachment, before and after the file is stored', () => {
    const { document } = documentAfter();
    for (const resource of [document.resource, withBinary(document, STORED)])
      expect(extensionOf(resource.content?.[0]?.attachment, 'ers-binary-id')?.valueString).toBe(document.ersBinaryId);
  });

  test('M-110: without an attachment id the contained id is the key', () => {
    const source = ersFixture('a005-booked');
    delete source.contained[3].content[0].attachment.id;
    const document = mustMap(mapReferral(source, { ids })).documents.find(
      ({ attachmentId }) => attachmentId === 'DocumentReference-71001',
    );
    expect(document?.resource.identifier?.map(({ system }) => system)).toEqual([SYSTEM.document]);
  });

  test('M-119: whoever it was attached for is the author, before the organisation; the typist stays readable', () => {
    const resource = mustMap(mapReferral(ersFixture('a005-booked'), { ids })).documents[1]?.resource;
    expect(resource?.author?.map(({ identifier }) => identifier?.value)).toEqual(['555100000045', 'Z9P01']);
    expect(JSON.stringify(extensionOf(resource, 'ers-attached-by'))).toContain('555100000011');
  });
});

describe('the clinical information summary', () => {
  const { facts } = mustMap(mapReferral(ersFixture('a005-booked'), { ids }));
  const summary = (version: number) =>
    clinicalSummaryDocument({
      facts: { ...facts, version },
      ids,
      binaryId: clinicalSummaryBinaryId(ids, facts.requestId, version),
      size: 48_211,
      sha1: STORED.sha1,
      contentType: 'application/pdf',
      title: 'summary.pdf',
      date: '2026-03-03T12:00:00Z',
    });

  test('M-130, I-8: one document for a referral, one Binary for each version', () => {
    expect(summary(7).id).toBe(summary(8).id);
    expect(summary(7).content?.[0]?.attachment?.url).not.toBe(summary(8).content?.[0]?.attachment?.url);
    expect(summary(7).identifier).toEqual([{ system: SYSTEM.document, value: `${facts.requestId}.cri` }]);
  });

  test('M-131..M-133: it says what it is, who made it, of which version, and is R4', () => {
    expect(summary(7)).toMatchObject({
      docStatus: 'final',
      date: '2026-03-03T12:00:00Z',
      author: [{ display: 'NHS e-Referral Service' }],
      content: [{ attachment: { title: 'summary.pdf', size: 48_211, hash: STORED.sha1 } }],
    });
    expect(extensionOf(summary(7), 'ers-version')?.valueUnsignedInt).toBe(7);
    expect(faultsOf(summary(7))).toEqual([]);
  });
});
