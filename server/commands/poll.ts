import { parseArgs } from 'node:util';
import { askServer, DEFAULT_URL } from './ask-server.ts';
import { type Command, WrongUse } from './command.ts';

/** `poll`: reads a worklist of a service now, through a running server. */
export const poll: Command = {
  name: 'poll',
  takes: 'SERVICE [--list LIST] [--url URL]',
  summary: 'Reads a worklist of a service now, through a running server; spends one of its polls',
  help: `  --list LIST  REFERRALS_FOR_REVIEW or APPOINTMENT_SLOT_ISSUES (default: the one whose turn it is)
  --url URL    the server (default ${DEFAULT_URL})

e-RS permits two unattended worklist reads for a service in any 24 hours, both lists together. This spends one from the ledger that the
server's own polls come from, and says how many are left and when the next is free. What is new on the list is brought in afterwards.`,
  exitCodes: { 0: 'the list was read', 1: 'no server, refused by the ledger, or not read; the reason is said' },
  async run({ args, environment, say, complain }) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { list: { type: 'string' }, url: { type: 'string', default: DEFAULT_URL } },
    });
    const [service] = positionals;
    if (service === undefined || positionals.length > 1) throw new WrongUse('Name one service.');
    const asked = await askServer({ url: values.url, token: environment['ACCESS_TOKEN'] }, '$ers-poll', {
      service,
      ...(values.list === undefined ? {} : { list: values.list }),
    });
    if (!asked.ok) {
      complain(asked.said);
      return 1;
    }
    say(described(asked.body));
    return 0;
  },
};

interface Reported {
  readonly parameter?: readonly {
    readonly name: string;
    readonly valueCode?: string;
    readonly valueUnsignedInt?: number;
    readonly valueBoolean?: boolean;
    readonly valueInstant?: string;
  }[];
}

function described(body: unknown): string {
  const named = (name: string) => (body as Reported).parameter?.find((one) => one.name === name);
  const left = named('pollsLeft')?.valueUnsignedInt;
  const next = named('nextPollAt')?.valueInstant;
  const news = named('changed')?.valueBoolean === true ? 'what is new is being brought in' : 'nothing has changed';
  return [
    `${named('list')?.valueCode}: ${named('listed')?.valueUnsignedInt} referrals, ${news}.`,
    left === undefined
      ? 'The poll limit is lifted.'
      : `Polls left: ${left}; ${left > 0 ? 'one may be spent now' : `the next is free at ${next}`}.`,
  ].join('\n');
}
