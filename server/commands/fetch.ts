import { parseArgs } from 'node:util';
import { askServer, DEFAULT_URL } from './ask-server.ts';
import { type Command, WrongUse } from './command.ts';

/** `fetch`: lands referrals by UBRN through a running server. */
export const fetch: Command = {
  name: 'fetch',
  takes: 'UBRN… [--url URL]',
  summary: 'Brings referrals in that are on no list, through a running server',
  help: `  --url URL  the server (default ${DEFAULT_URL})

It asks for ServiceRequest/$ers-fetch, one UBRN after the other, and says of each (by its place, since a UBRN does not belong into a log)
whether it landed.`,
  exitCodes: { 0: 'all landed', 1: 'one or more could not be had' },
  async run({ args, environment, say }) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: { url: { type: 'string', default: DEFAULT_URL } },
    });
    if (positionals.length === 0) throw new WrongUse('Name one UBRN or more.');
    let failures = 0;
    for (const [index, ubrn] of positionals.entries()) {
      const asked = await askServer(
        { url: values.url, token: environment['ACCESS_TOKEN'] },
        'ServiceRequest/$ers-fetch',
        { ubrn },
      );
      if (!asked.ok) failures += 1;
      say(`${index + 1}: ${asked.ok ? 'landed' : asked.said}`);
    }
    return failures === 0 ? 0 : 1;
  },
};
