import { appendFileSync } from 'node:fs';

/** A word that is in no text of ours: put into comments, titles and names, it shows where they come out. */
export const CANARY = 'Zqcanary';

/** Whether ten digits are an NHS number. Source: NHS Data Dictionary, NHS NUMBER, modulus 11 */
function isNhsNumber(digits: string): boolean {
  const sum = [...digits.slice(0, 9)].reduce((total, digit, index) => total + Number(digit) * (10 - index), 0);
  return (11 - (sum % 11)) % 11 === Number(digits[9]);
}

/** What must not be where it may be kept (P1), by kind. A UUID's last group of twelve digits is no UBRN. */
const KINDS: Readonly<Record<string, (text: string) => boolean>> = {
  'NHS number': (text) => [...text.matchAll(/(?<![\w.-])\d{10}(?![\w.])/g)].some(([digits]) => isNhsNumber(digits)),
  UBRN: (text) => /(?<![\w.-])\d{12}(?![\w-])/.test(text),
  'name or free text': (text) => text.toLowerCase().includes(CANARY.toLowerCase()),
  token: (text) => /\beyJ[\w-]{8,}|Bearer\s+[\w.~+/-]{6,}/.test(text),
  'private key': (text) => text.includes('PRIVATE KEY-----'),
};

/** What a text gives away, as it is or percent-encoded. */
export const leaksOf = (text: string): string[] => {
  const plain = text.replaceAll(/%[0-9a-f]{2}/gi, (code) => String.fromCharCode(Number.parseInt(code.slice(1), 16)));
  return Object.keys(KINDS).filter((kind) => KINDS[kind]?.(plain));
};

/** Where the run keeps what its products logged, for the judgement at its end. */
export const HEARD = 'ERS_FHIR_TEST_HEARD';

/** Keeps a line that a product logged. Every world of the tests tells of all of its lines. */
export function hear(line: string | object): void {
  const file = process.env[HEARD];
  if (file !== undefined) appendFileSync(file, `${typeof line === 'string' ? line : JSON.stringify(line)}\n`);
}
