import { randomBytes } from 'node:crypto';
import { parseArgs } from 'node:util';
import { type Break, chainKey, type Verdict, verifyAudit } from '../audit/index.ts';
import { readAuditConfig } from '../config/index.ts';
import { systemClock } from '../core/index.ts';
import { openStore } from '../open-store.ts';
import { type Call, type Command, WrongUse } from './command.ts';

const UNREAD = 3;
/** How many breaks are named; the number of all is said. */
const SHOWN = 20;

/** `audit verify`: whether the audit trail is whole. */
export const audit: Command = {
  name: 'audit',
  takes: 'verify',
  summary: 'Says whether the audit trail is whole, and names the first broken link of each chain',
  help: `It reads every AuditEvent of the store that the environment names (STORE, DATA_DIR or STORE_URL) and follows each chain from its first event to its
head. ID_NAMESPACE_SECRET must be the one that the server runs with. The embedded store is its server's alone: stop the server, or name a copy of
its folder. A HAPI may be at work meanwhile.`,
  exitCodes: {
    0: 'every chain is whole',
    1: 'a link is broken, and named: its chain, its place, its AuditEvent',
    [UNREAD]: 'the trail could not be read; the reason is said',
  },
  async run({ args, environment, say, complain }) {
    const { positionals } = parseArgs({ args: [...args], allowPositionals: true });
    if (positionals.join(' ') !== 'verify') throw new WrongUse('What it does is verify.');
    const read = readAuditConfig(environment);
    if (!read.ok) {
      complain(['The environment does not suffice:', ...read.faults.map((fault) => `- ${fault}`)].join('\n'));
      return UNREAD;
    }
    const random = () => randomBytes(4).readUInt32BE() / 2 ** 32;
    const store = await openStore(read.config, systemClock, random);
    if (typeof store === 'string') {
      complain(store);
      return UNREAD;
    }
    try {
      const verified = await verifyAudit(store, chainKey(read.config.idNamespaceSecret.reveal()));
      if (verified.ok) return report(verified.value, { say, complain });
      complain(`The store failed: ${verified.outcome?.issue?.[0]?.details?.text ?? verified.code}.`);
      return UNREAD;
    } finally {
      await store.close();
    }
  },
};

function report({ events, chains, breaks }: Verdict, { say, complain }: Pick<Call, 'say' | 'complain'>): number {
  if (breaks.length === 0) {
    say(`The audit trail is whole: ${events} AuditEvents in ${chains} chains.`);
    return 0;
  }
  const more = breaks.length > SHOWN ? [`- and ${breaks.length - SHOWN} more`] : [];
  const lines = [...breaks.slice(0, SHOWN).map(wordsOf), ...more];
  complain(`The audit trail is broken, of ${events} AuditEvents in ${chains} chains:\n${lines.join('\n')}`);
  return 1;
}

const WORDS: Readonly<Record<Break['kind'], string>> = {
  changed: 'says something else than when it was written, or was not written by this installation',
  missing: 'is missing',
  twice: 'is there twice',
  unhinged: 'does not follow the one before it',
  cut: 'is missing, with all that followed it',
  unlinked: 'is in no chain: it was not written by this installation',
};

function wordsOf({ kind, chain, sequence, id }: Break): string {
  const place = chain === '' ? '' : `chain ${chain}, event ${sequence}`;
  const named = id === undefined ? '' : `AuditEvent/${id}`;
  return `- ${[place, named].filter((part) => part !== '').join(', ')}: ${WORDS[kind]}`;
}
