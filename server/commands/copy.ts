import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { readCopyConfig } from '../config/index.ts';
import { type CopyEnd, type CopyProgress, copyStore } from '../copy/index.ts';
import { type Clock, type Store, type StoreFailure, systemClock } from '../core/index.ts';
import { openStore } from '../open-store.ts';
import { type Call, type Command, WrongUse } from './command.ts';

const INTERRUPTED = 3;
/** How many places are named; the number of all is said. */
const SHOWN = 20;

/** `copy`: moves an installation from the embedded store to a server of its own. */
export const copy: Command = {
  name: 'copy',
  takes: '--from embedded --to hapi|medplum',
  summary: 'Copies the embedded store into another, and proves that both hold the same',
  help: `  --from embedded  the store in DATA_DIR; stop the server first, which has it alone
  --to hapi        the HAPI FHIR JPA server at STORE_URL (STORE_CLIENT_ID, STORE_CLIENT_SECRET)
  --to medplum     the Medplum project of that client at STORE_URL

It copies the last version of everything: resources, files, and the records of the engine but its lease. HAPI gets all under its own id.
Medplum chooses ids, so there all is renamed, references and records included, and what was called what is noted in the project. What the
target holds already is not written again, so an interrupted copy is simply called once more. At the end it reads both stores and compares
the count of each type and the hash of each resource and file. It refuses while a decision is on its way to e-RS, and where an engine has
worked on the target. Versions before the last stay in DATA_DIR: keep it. Then start the server with STORE=hapi or STORE=medplum and the
same ID_NAMESPACE_SECRET.`,
  exitCodes: {
    0: 'both stores hold the same',
    1: 'refused, failed, or not the same; the reason is said',
    [INTERRUPTED]: 'interrupted by a signal: call it again',
  },
  async run({ args, environment, say, complain }) {
    const { values } = parseArgs({ args: [...args], options: { from: { type: 'string' }, to: { type: 'string' } } });
    const { from, to } = values;
    if (from !== 'embedded' || (to !== 'hapi' && to !== 'medplum'))
      throw new WrongUse('It copies --from embedded --to hapi, or --to medplum.');
    const read = readCopyConfig(environment, to);
    if (!read.ok) {
      complain(['The environment does not suffice:', ...read.faults.map((fault) => `- ${fault}`)].join('\n'));
      return 1;
    }
    const { dataDirectory, remoteStore } = read.config;
    const random = () => randomBytes(4).readUInt32BE() / 2 ** 32;
    const clock: Clock = systemClock;
    const source = await openStore({ dataDirectory }, clock, random);
    if (typeof source === 'string') {
      complain(source);
      return 1;
    }
    const target = await openStore({ dataDirectory, remoteStore }, clock, random);
    if (typeof target === 'string') {
      await source.close();
      complain(target);
      return 1;
    }
    try {
      return await move(source, target, { say, complain });
    } finally {
      await Promise.all([source.close(), target.close()]);
    }
  },
};

async function move(source: Store, target: Store, out: Pick<Call, 'say' | 'complain'>): Promise<number> {
  const probed = await target.probe();
  if (!probed.ok) {
    out.complain(`The target does not keep the promises of a store: ${wordsOf(probed)}`);
    return 1;
  }
  const stop = new AbortController();
  const onSignal = () => stop.abort();
  process.once('SIGINT', onSignal).once('SIGTERM', onSignal);
  try {
    const progress = (now: CopyProgress) => out.say(lineOf(now));
    return report(await copyStore({ source, target, signal: stop.signal, progress }), out);
  } finally {
    process.off('SIGINT', onSignal).off('SIGTERM', onSignal);
  }
}

const lineOf = ({ phase, type, done, written }: CopyProgress): string =>
  phase === 'verify'
    ? `verify  ${type}: ${done} compared`
    : `${phase.padEnd(7)} ${type}: ${done} looked at, ${written} written`;

function report(end: CopyEnd, { say, complain }: Pick<Call, 'say' | 'complain'>): number {
  switch (end.kind) {
    case 'equal': {
      const all = [...end.counts.values()].reduce((sum, count) => sum + count, 0);
      say(`Both stores hold the same: ${all} resources and files, ${end.written} of them written now.`);
      return 0;
    }
    case 'interrupted':
      complain('Interrupted: call it again, and it goes on from here.');
      return INTERRUPTED;
    case 'in-flight':
      complain(
        `A decision is on its way to e-RS for ${end.taskIds.length} Tasks: start the server again, let it end them, or give them back ($ers-reopen).\n${named(end.taskIds.map((id) => `Task/${id}`))}`,
      );
      return 1;
    case 'target-in-use':
      complain(
        'An engine has worked on the target, or was started on it meanwhile: what it holds is newer, and is not written over. Name an empty store.',
      );
      return 1;
    case 'different':
      complain(
        `${end.places.length} resources or files are not the same in both stores. ${whatToDo(end.onlyThere.length)}\n${named(end.places)}`,
      );
      return 1;
    case 'failed':
      complain(
        `A store failed${end.at === undefined ? '' : ` at ${end.at}`}: ${wordsOf(end.failure)}. Call it again, and it goes on from here.`,
      );
      return 1;
  }
}

const whatToDo = (onlyThere: number): string =>
  onlyThere > 0
    ? `${onlyThere} of them the target alone holds: they are not of this installation, or it has deleted them since an earlier call. Name an empty store.`
    : 'Somebody wrote to one of the stores meanwhile: end that, and call it again.';

const wordsOf = ({ code, outcome }: StoreFailure): string => outcome?.issue?.[0]?.details?.text ?? code;

function named(places: readonly string[]): string {
  const more = places.length > SHOWN ? [`- and ${places.length - SHOWN} more`] : [];
  return [...places.slice(0, SHOWN).map((place) => `- ${place}`), ...more].join('\n');
}
