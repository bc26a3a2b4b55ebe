import type { ChildProcess } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Bundle, DocumentReference } from '@medplum/fhirtypes';
import { type Row, rowOf } from './measure.ts';
import { bringIn, FHIR, json, startPair, until } from './processes.ts';

const LARGE_BYTES = 20_000_000;
const ROUNDS = 8;

/** A line of the kernel's account of a process, in MB: `VmRSS` now, `VmHWM` at most since `forgetPeak`. */
function memoryMb({ pid }: ChildProcess, line: 'VmRSS' | 'VmHWM'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8');
  return Number(new RegExp(`${line}:\\s+(\\d+)`).exec(status)?.[1]) / 1000;
}
const forgetPeak = ({ pid }: ChildProcess): void => writeFileSync(`/proc/${pid}/clear_refs`, '5');

/** Brings a referral with one file of that size in, and reads the file back through the facade: the whole path. */
async function carry(bytes: number): Promise<void> {
  const attachments = [{ title: 'scan.tif', contentType: 'image/tiff', bytes }];
  const ubrn = await bringIn({ kind: 'booked-direct', service: '70101', attachments });
  const query = `related:identifier=https://fhir.nhs.uk/Id/UBRN|${ubrn}&contenttype=image/tiff`;
  const url = await until('the file in the store', async () => {
    const found = await json<Bundle<DocumentReference>>(`${FHIR}/DocumentReference?${query}`);
    return found.entry?.[0]?.resource?.content[0]?.attachment.url;
  });
  const file = await fetch(URL.canParse(url) ? url : `${FHIR}/${url}`, { headers: { Accept: 'image/tiff' } });
  let size = 0;
  for await (const chunk of file.body ?? []) size += chunk.length;
  if (file.status !== 200 || size !== bytes) throw new Error(`the file came back as ${file.status}, ${size} bytes`);
}

/** Memory that a file of 20 MB costs on its way in and out, the product and e-RS each in a process of its own. */
export async function benchFiles(): Promise<Row[]> {
  await using pair = await startPair([{ id: '70101', bookableType: 'DIRECTLY_BOOKABLE' }]);
  const { product } = pair;
  for (let warm = 0; warm < 40; warm += 1) await carry(1_000);
  const idle: number[] = [];
  const more: number[] = [];
  for (let round = 0; round < ROUNDS; round += 1) {
    await sleep(2_000);
    const before = memoryMb(product, 'VmRSS');
    forgetPeak(product);
    await carry(LARGE_BYTES);
    idle.push(before);
    more.push(memoryMb(product, 'VmHWM') - before);
  }
  const first = idle[0] ?? Number.NaN;
  await sleep(2_000);
  const after = memoryMb(product, 'VmRSS') - first;
  return [
    rowOf('server alone, idle after small files', 'MB', [first]),
    rowOf('a file of 20 MB in from e-RS and out by the facade: peak more than idle', 'MB', more, '≤ 40 MB'),
    rowOf(`… and idle memory after ${ROUNDS} such files more than before the first`, 'MB', [after]),
  ];
}
