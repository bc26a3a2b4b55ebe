import type { Dice } from './dice.ts';

/**
 * Makes an NHS number that is valid and belongs to nobody: 999 is reserved for tests.
 * Source: NHS Data Dictionary, NHS NUMBER, modulus 11
 */
export function makeNhsNumber(dice: Dice): string {
  for (;;) {
    const nine = `999${String(dice.integer(0, 999_999)).padStart(6, '0')}`;
    const sum = [...nine].reduce((total, digit, index) => total + Number(digit) * (10 - index), 0);
    const check = (11 - (sum % 11)) % 11;
    if (check !== 10) return `${nine}${check}`;
  }
}

/** Makes an SDS user id: twelve digits. */
export const makeSdsUserId = (dice: Dice): string => `9990${String(dice.integer(0, 99_999_999)).padStart(8, '0')}`;
