import { describe, expect, test } from '@jest/globals';
import type { Task } from '@medplum/fhirtypes';
import { attachedFile, decisionAttachment, freshFileName, headerText, SYSTEM } from '../../mappings/index.ts';

const task: Task & { id: string } = {
  resourceType: 'Task',
  id: 'task-1',
  identifier: [{ system: SYSTEM.reviewTask, value: 'r.1.1' }],
  status: 'requested',
  intent: 'order',
  for: { reference: 'Patient/1' },
  focus: { reference: 'ServiceRequest/1' },
};
const file = { binaryId: 'b1', title: 'letter.pdf', contentType: 'application/pdf', size: 10, sha1: 'x' };
const made = decisionAttachment(task, file, { serial: 's', at: '2026-03-02T09:00:00.000Z' });
const { sha1: _, ...kept } = file;

describe('a file for a decision (T-6)', () => {
  test('is read back as it was kept, for its own Task', () => {
    expect(attachedFile(made, task)).toEqual(kept);
    const described = decisionAttachment(task, { ...file, description: 'd' }, { serial: 's', at: '' });
    expect(attachedFile(described, task)?.description).toBe('d');
  });

  test.each([
    ['another Task', { ...made, context: { related: [{ reference: 'Task/task-2' }] } }],
    ['another patient', { ...made, subject: { reference: 'Patient/2' } }],
    ['another episode’s key', { ...made, identifier: [{ system: SYSTEM.document, value: 'r.1.2.s' }] }],
    ['no current one', { ...made, status: 'superseded' as const }],
    ['a long description', { ...made, description: 'x'.repeat(201) }],
    ['no file', { ...made, content: [{ attachment: {} }] }],
    ['a file elsewhere', withFile({ url: 'https://elsewhere.example/Binary/b1' })],
    ['a large file', withFile({ size: 5_242_881 })],
    ['an empty file', withFile({ size: 0 })],
    ['a type that e-RS does not take', withFile({ contentType: 'text/html', title: 'x.html' })],
    ['a name that does not fit', withFile({ title: 'letter.txt' })],
  ])('is none where it has %s', (_name, document) => {
    expect(attachedFile(document, task)).toBeUndefined();
  });
});

function withFile(changes: object) {
  return { ...made, content: [{ attachment: { ...made.content?.[0]?.attachment, ...changes } }] };
}

describe('the name under which a file goes to e-RS', () => {
  test('is its title, then numbered, and never one that may be taken', () => {
    expect(freshFileName('a.b.pdf', [])).toBe('a.b.pdf');
    expect(freshFileName('a.b.pdf', ['a.b.pdf', 'a.b (2).pdf'])).toBe('a.b (3).pdf');
  });

  test('is what a header can carry, so that two titles which e-RS would see as one get two names', () => {
    expect(freshFileName('café.pdf', ['cafe.pdf'])).toBe('cafe (2).pdf');
  });

  test('keeps within 255 characters, extension and number included', () => {
    const title = `${'x'.repeat(251)}.pdf`;
    expect(freshFileName(title, [])).toBe(title);
    expect(freshFileName(title, [title])).toBe(`${'x'.repeat(247)} (2).pdf`);
  });
});

test.each([
  ["UTF-8''caf%C3%A9 ", 'café'],
  [Buffer.from('café').toString('latin1'), 'café'],
  ['caf\xe9', 'caf\xe9'],
  ["it's fine", "it's fine"],
  [undefined, undefined],
])('a header %j says %j, however the client wrote it', (value, text) => {
  expect(headerText(value)).toBe(text);
});
