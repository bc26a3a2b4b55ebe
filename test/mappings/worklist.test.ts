import { describe, expect, test } from '@jest/globals';
import { mapWorklist } from '../../mappings/index.ts';
import { asJson, ersFixture, mustMap, r4Fixture } from './fixtures.ts';

const review = () => ersFixture('a008-referrals-for-review');

describe('worklists', () => {
  test.each([
    ['a008-referrals-for-review', 'REFERRALS_FOR_REVIEW'],
    ['a008-appointment-slot-issues', 'APPOINTMENT_SLOT_ISSUES'],
  ] as const)('M-60..M-75: %s becomes its pair', (name, list) => {
    const { read: _, ...value } = mustMap(mapWorklist(ersFixture(name), list));
    expect(asJson(value)).toEqual(r4Fixture(name));
  });

  test.each([
    ['entry absent', (list: { entry?: unknown }) => delete list.entry],
    ['entry null', (list: { entry?: unknown }) => Object.assign(list, { entry: null })],
    ['entry empty', (list: { entry?: unknown }) => Object.assign(list, { entry: [] })],
  ])('an empty list (%s) is a list, since e-RS writes it in each way', (_way, change) => {
    const source = review();
    change(source);
    expect(mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')).items).toEqual([]);
  });

  test.each([undefined, null, 'no answer', { resourceType: 'OperationOutcome' }, { resourceType: 'List', entry: {} }])(
    'K1: an answer that is no worklist is refused, not taken for an empty one: %p',
    (source) => {
      expect(mapWorklist(source, 'REFERRALS_FOR_REVIEW').ok).toBe(false);
    },
  );

  test('K1, G-1: an entry that names no referral is reported with its place, and the others are read', () => {
    const source = review();
    source.entry.splice(1, 0, null, { item: { reference: 'ReferralRequest/12' } }, 'text');
    const { items, unreadable } = mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW'));
    expect(items.map(({ ubrn }) => ubrn)).toEqual(['000990000017', '000990000033']);
    expect(unreadable.map(({ index }) => index)).toEqual([1, 2, 3]);
    expect(unreadable[0]?.issues).toEqual([{ code: 'REQUIRED_ELEMENT_MISSING', at: 'List.entry[1].item.reference' }]);
  });

  test('K1: an entry without its fields is still an item, since its referral can be read', () => {
    const source = review();
    source.entry[1].extension = [];
    expect(mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')).items[1]).toEqual({
      list: 'REFERRALS_FOR_REVIEW',
      ubrn: '000990000033',
      unmapped: [],
    });
  });

  test('M-29: WorklistItem and WorkListItem are the same extension', () => {
    const source = review();
    source.entry[0].extension[0].url = source.entry[0].extension[0].url.replace('WorkListItem', 'WorklistItem');
    expect(mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')).items[0]?.version).toBe(7);
  });

  test('the fields of another list are kept and not read as this one’s', () => {
    const [item] = mustMap(mapWorklist(review(), 'APPOINTMENT_SLOT_ISSUES')).items;
    expect(item?.priority).toBeUndefined();
    expect(item?.unmapped[0]?.path).toBe('entry.extension');
  });

  test('K2, G-7: where an item stands in the list changes nothing of it', () => {
    const source = review();
    source.entry.reverse();
    expect(mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')).items.toReversed()).toEqual(
      mustMap(mapWorklist(review(), 'REFERRALS_FOR_REVIEW')).items,
    );
  });

  test('K3: what the list itself says and nobody named is kept', () => {
    const source = review();
    source.note = [{ text: 'truncated' }];
    expect(mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')).unmapped).toEqual([
      { path: 'List.note', json: '[{"text":"truncated"}]' },
    ]);
  });

  test('architecture 5: an entry that says the same as before is the same item, and only what changed is read anew', () => {
    const first = mustMap(mapWorklist(review(), 'REFERRALS_FOR_REVIEW'));
    const source = review();
    source.entry[1].extension[0].extension[0].valueInteger = 99;
    source.entry.unshift(null);
    const second = mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW', first.read));
    expect(second.items[0]).toBe(first.items[0]);
    expect(second.items[1]).not.toBe(first.items[1]);
    expect({ ...second, read: undefined }).toEqual({
      ...mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')),
      read: undefined,
    });
  });

  test('architecture 5: an entry whose words are the same but whose contained patient is another is read anew', () => {
    const first = mustMap(mapWorklist(review(), 'REFERRALS_FOR_REVIEW'));
    const source = review();
    for (const contained of source.contained) contained.identifier[0].value = '9990000018';
    const second = mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW', first.read));
    expect(second.items).toEqual(mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW')).items);
    expect(second.items).not.toEqual(first.items);
  });

  test('K3: of a list whose entries are all known, what the list says and what is contained for nobody is still kept', () => {
    const { read } = mustMap(mapWorklist(review(), 'REFERRALS_FOR_REVIEW'));
    const source = review();
    source.note = [{ text: 'truncated' }];
    source.contained.push({ resourceType: 'Patient', id: 'nobody' });
    const kept = mustMap(mapWorklist(source, 'REFERRALS_FOR_REVIEW', read)).unmapped;
    expect(kept).toEqual([
      { path: 'List.contained', json: '[null,null,null,{"resourceType":"Patient","id":"nobody"}]' },
      { path: 'List.note', json: '[{"text":"truncated"}]' },
    ]);
  });
});
