import { readFileSync } from 'node:fs';

type Referral = Record<string, unknown> & { id: string };

const read = (name: string): Referral =>
  JSON.parse(readFileSync(new URL(`../test/fixtures/ers/${name}`, import.meta.url), 'utf8')) as Referral;

const BOOKED = read('a005-booked.json');

/** A synthetic A005 answer. */
export const referralSource = (): unknown => BOOKED;

/** Any number of referrals of different patients, related to none: synthetic, in one shape. */
export function manyReferrals(index: number): Referral {
  const ubrn = String(100_000_000 + index).padStart(12, '0');
  const uuid = `00000000-0000-4000-8000-${String(index).padStart(12, '0')}`;
  const text = JSON.stringify(BOOKED)
    .replaceAll(BOOKED.id, ubrn)
    .replace(/r\.[0-9a-f-]{36}/g, `r.${uuid}`);
  const referral = JSON.parse(text) as Referral & {
    subject: { identifier: { value: string } };
    supportingInfo: { reference: string }[];
  };
  const nhsNumber = referral.subject.identifier.value;
  referral.supportingInfo = referral.supportingInfo.filter(({ reference }) => reference.startsWith('#'));
  return JSON.parse(JSON.stringify(referral).replaceAll(nhsNumber, String(9_990_000_000 + index))) as Referral;
}
