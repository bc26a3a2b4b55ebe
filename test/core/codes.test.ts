import { readFileSync } from 'node:fs';
import { describe, expect, test } from '@jest/globals';
import { CODES, HAPPENED } from '../../server/core/index.ts';
import { ERS_ERROR_CODES, ERS_UPLOAD_CODES, ersRefusalText, uploadRefusalText } from '../../server/decisions/index.ts';
import { ACCESS_REFUSALS } from '../../server/ers/index.ts';

const PAGE = readFileSync(new URL('../../docs/errors.md', import.meta.url), 'utf8');
const rows = PAGE.split('\n')
  .filter((line) => line.startsWith('| `'))
  .map((line) =>
    line
      .split('|')
      .map((cell) => cell.trim())
      .slice(1, -1),
  );

describe('docs/errors.md', () => {
  test('lists every code of the catalogue with its words, so that an engineer can look it up', () => {
    const listed = Object.fromEntries(rows.filter((row) => row.length === 5).map((row) => [row[0], row.slice(1)]));
    const expected = Object.fromEntries(
      Object.entries(CODES).map(([code, entry]) => [
        `\`${code}\``,
        [entry.happened, entry.acts, entry.remedy, String(entry.httpStatus ?? '')],
      ]),
    );
    expect(listed).toEqual(expected);
  });

  test('says which alerts tell of what has happened, and are not raised again after a restart', () => {
    const paragraph = PAGE.split('\n').find((line) => line.startsWith('What has happened and is over')) ?? '';
    const named = [...(paragraph.split('.')[0]?.matchAll(/`([a-z-]+)`/g) ?? [])].map(([, code]) => code);
    expect(named.toSorted()).toEqual([...HAPPENED].toSorted());
  });

  test('lists every documented e-RS error code with the sentence that a clinician reads', () => {
    const listed = Object.fromEntries(rows.filter((row) => row.length === 2).map(([code, text]) => [code, text]));
    expect(listed).toEqual(Object.fromEntries(ERS_ERROR_CODES.map((code) => [`\`${code}\``, ersRefusalText(code)])));
  });

  test('lists every documented code of a refused upload, and the statuses that stand for one, with its own sentence', () => {
    const listed = rows.filter((row) => row.length === 3);
    expect(listed.map(([code]) => code)).toEqual(ERS_UPLOAD_CODES.map((code) => `\`${code}\``));
    for (const [code = '', also = '', text] of listed) {
      expect(uploadRefusalText({ ersCode: code.slice(1, -1), status: 422 })).toBe(text);
      const status = /\d+/.exec(also)?.[0];
      if (status !== undefined) expect(uploadRefusalText({ status: Number(status) })).toBe(text);
    }
  });

  test('lists every refusal of access with what it means and what to do, as check-ers says it', () => {
    const listed = rows.filter((row) => row.length === 4);
    expect(listed).toEqual(
      Object.values(ACCESS_REFUSALS).map(({ id, answers, means, remedy }) => [`\`${id}\``, answers, means, remedy]),
    );
  });
});
