import { resolve } from 'node:path';
import { beforeAll, describe, expect, test } from '@jest/globals';
import type { Exchange } from '../../simulator/index.ts';
import { startFarSide, worklistRequest } from '../simulator/far-side.ts';
import { type Contract, compileContract } from './check-exchange.ts';
import { problemsOfItems, type WireEntry, type WireField } from './worklist-items.ts';

const SHARED = resolve(process.env['ERS_SHARED'] ?? '../shared');
const LISTS = ['REFERRALS_FOR_REVIEW', 'APPOINTMENT_SLOT_ISSUES'] as const;

/** The answers to both lists, whole, of the sample trust with its irregularities. */
const heard = new Map<string, Exchange>();
let contract: Contract;
beforeAll(async () => {
  contract = await compileContract(SHARED);
  const exchanges: Exchange[] = [];
  await using side = await startFarSide({
    referrals: 48,
    checkExchange: (exchange) => {
      exchanges.push(exchange);
      return [];
    },
  });
  const user = await side.signIn();
  for (const list of LISTS) {
    await side.send('POST', '/STU3/ReferralRequest/$ers.fetchworklist', { ...user, json: worklistRequest(list) });
    const exchange = exchanges.at(-1);
    if (exchange) heard.set(list, exchange);
  }
}, 30_000);

const answerTo = (list: (typeof LISTS)[number]): { exchange: Exchange; entry: WireEntry[] } => {
  const exchange = heard.get(list);
  if (!exchange?.answerBody) throw new Error('The list was not read');
  return { exchange, entry: (JSON.parse(exchange.answerBody.toString('utf8')) as { entry: WireEntry[] }).entry };
};

/** What the contract says of an answer one of whose items was spoilt, after others of which one is spoilt too. */
function problemsAfter(list: (typeof LISTS)[number], spoil: (fields: WireField[], item: { url: string }) => void) {
  const { exchange, entry } = answerTo(list);
  const item = entry[2]?.extension[0];
  if (!item) throw new Error('The list is too short');
  spoil(item.extension, item);
  const body = { ...JSON.parse(String(exchange.answerBody)), entry };
  return contract.check({ ...exchange, answerBody: Buffer.from(JSON.stringify(body)) });
}
const field = (fields: WireField[], url: string): WireField => {
  const found = fields.find((each) => each.url === url);
  if (!found) throw new Error(`There is no ${url}`);
  return found;
};

describe("the items of a worklist are held against e-RS's contract, field by field", () => {
  test('an answer that nobody spoilt has no problem', () => {
    for (const list of LISTS) expect(problemsAfter(list, () => undefined)).toEqual([]);
  });

  test('a misspelt field is noticed', () => {
    const misspell = (fields: WireField[]): void => void Object.assign(field(fields, 'service'), { url: 'Service' });
    for (const list of LISTS)
      expect(problemsAfter(list, misspell)).toEqual([
        expect.stringMatching(/^answer\/entry\/\*\/extension\/\*\/exten/),
      ]);
  });

  test('an unknown field is noticed', () => {
    const add = (fields: WireField[]): void => void fields.push({ url: 'colour', valueString: 'red' });
    for (const list of LISTS) expect(problemsAfter(list, add)).toHaveLength(1);
  });

  test('a version that is a string is noticed, and its place is told', () => {
    const problems = problemsAfter('REFERRALS_FOR_REVIEW', (fields) => {
      field(fields, 'referralRequestVersion')['valueInteger'] = '5';
    });
    expect(problems).toEqual([expect.stringMatching(/valueInteger must be (integer|number)/)]);
  });

  test('an item under another url is noticed, the spelling of WorkListItem apart', () => {
    const rename = (to: string) => (_: WireField[], item: { url: string }) => {
      item.url = item.url.replace(/-Work[Ll]istItem-1$/, to);
    };
    for (const list of LISTS) {
      expect(problemsAfter(list, rename('-WorkItem-1'))).toHaveLength(1);
      expect(problemsAfter(list, rename('-WORKLISTITEM-1'))).toHaveLength(1);
      expect(problemsAfter(list, rename('-WorklistItem-1'))).toEqual([]);
    }
  });

  test('two defects of one answer are both told', () => {
    const problems = problemsAfter('REFERRALS_FOR_REVIEW', (fields) => {
      field(fields, 'referralRequestVersion')['valueInteger'] = '5';
      fields.push({ url: 'colour', valueString: 'red' });
    });
    expect(problems).toHaveLength(2);
  });
});

describe('the fields of an item stand as often as the table says', () => {
  test('each item of both lists has its mandatory fields once, the others at most once, and the patient in the shape of its list', () => {
    for (const list of LISTS) {
      const { entry } = answerTo(list);
      expect(entry.length).toBeGreaterThan(4);
      expect(problemsOfItems(entry)).toEqual([]);
    }
  });

  test('a field that is missing, doubled or unknown, and a patient in the shape of the other list, are noticed', () => {
    const spoilt = (spoil: (fields: WireField[]) => WireField[]): string[] => {
      const [one] = answerTo('REFERRALS_FOR_REVIEW').entry;
      const item = one?.extension[0];
      if (!one || !item) throw new Error('The list is empty');
      return problemsOfItems([{ ...one, extension: [{ ...item, extension: spoil(item.extension) }] }]);
    };
    expect(spoilt((fields) => fields.filter(({ url }) => url !== 'referralType'))).toHaveLength(1);
    expect(spoilt((fields) => [...fields, field(fields, 'priority')])).toHaveLength(1);
    expect(spoilt((fields) => [...fields, { url: 'lastContact' }])).toHaveLength(1);
    expect(
      spoilt((fields) =>
        fields.map((each) => (each.url === 'patient' ? { ...each, valueReference: { identifier: {} } } : each)),
      ),
    ).toHaveLength(1);
  });
});
