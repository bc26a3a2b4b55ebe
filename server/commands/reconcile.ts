import { parseArgs } from 'node:util';
import { type Asked, askServer, DEFAULT_URL } from './ask-server.ts';
import { type Call, type Command, WrongUse } from './command.ts';

const UNANSWERED = 3;
const PAGE = '1000';

/** `reconcile`: prints the account of a running server, service by service, and what a person should look at. */
export const reconcile: Command = {
  name: 'reconcile',
  takes: '[--service SERVICE] [--ubrns] [--url URL]',
  summary: 'Accounts for every referral that e-RS ever listed, through a running server',
  help: `  --service SERVICE  only this one (default: all)
  --ubrns            names referrals by their UBRN where the store has nothing else of them; not for a place where output is kept
  --url URL          the server (default ${DEFAULT_URL})

It asks for $ers-reconciliation, which makes the account now. For each service: seen = open + decided + explained, or some are missing. Then
every exception: its code (docs/errors.md), since when, and the ServiceRequest and Task to look at.`,
  exitCodes: {
    0: 'the account balances; exceptions, if any, are printed',
    1: 'it does not balance: referrals are missing, and named',
    [UNANSWERED]: 'no server, or it cannot make the account; the reason is said',
  },
  async run({ args, environment, say, complain }) {
    const { values, positionals } = parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        service: { type: 'string' },
        ubrns: { type: 'boolean', default: false },
        url: { type: 'string', default: DEFAULT_URL },
      },
    });
    if (positionals.length > 0) throw new WrongUse('This takes options only.');
    const { service, ubrns, url } = values;
    const token = environment['ACCESS_TOKEN'];
    let isBalanced = true;
    for (let offset: number | undefined = 0, isFirst = true; offset !== undefined; isFirst = false) {
      const asked: Asked = await askServer({ url, token }, '$ers-reconciliation', {
        ...(service === undefined ? {} : { service }),
        count: PAGE,
        offset: String(offset),
      });
      if (!asked.ok) {
        complain(asked.said);
        return UNANSWERED;
      }
      const report = asked.body as Report;
      const about = report.extension?.find(({ url: of }) => of.endsWith('/ers-reconciliation'));
      if (isFirst) sayGroups(report, say);
      for (const line of report.evaluatedResource ?? []) say(describe(line, ubrns));
      isBalanced &&= partOf(about, 'balances')?.valueBoolean === true;
      offset = partOf(about, 'next')?.valueUnsignedInt;
    }
    say(isBalanced ? 'The account balances.' : 'The account does not balance: referrals are missing.');
    return isBalanced ? 0 : 1;
  },
};

interface Part {
  readonly url: string;
  readonly valueBoolean?: boolean;
  readonly valueUnsignedInt?: number;
  readonly valueCode?: string;
  readonly valueDateTime?: string;
  readonly valueCoding?: { readonly code?: string };
  readonly valueReference?: { readonly reference?: string };
  readonly valueIdentifier?: { readonly value?: string };
  readonly extension?: readonly Part[];
}

interface Named {
  readonly reference?: string;
  readonly identifier?: { readonly value?: string };
  readonly type?: string;
  readonly extension?: readonly Part[];
}

interface Report {
  readonly extension?: readonly Part[];
  readonly evaluatedResource?: readonly Named[];
  readonly group?: readonly {
    readonly code?: { readonly coding?: readonly { readonly code?: string }[] };
    readonly population?: readonly {
      readonly code?: { readonly coding?: readonly { readonly code?: string }[] };
      readonly count?: number;
    }[];
  }[];
}

const partOf = (about: Part | undefined, name: string): Part | undefined =>
  about?.extension?.find(({ url }) => url === name);

function sayGroups({ group = [] }: Report, say: Call['say']): void {
  for (const { code, population = [] } of group) {
    const counts = new Map(population.map((one) => [one.code?.coding?.[0]?.code, one.count ?? 0]));
    const of = (name: string) => `${counts.get(name) ?? 0} ${name.replace('-', ' ')}`;
    say(
      `${code?.coding?.[0]?.code}: ${of('seen')} = ${of('open')} (${of('in-flight')}) + ${of('decided')} + ${of('explained')} ` +
        `(${['withdrawn', 'unasked', 'quarantined', 'arriving'].map(of).join(', ')}); ${of('missing')}`,
    );
  }
}

function describe({ reference, identifier, type, extension }: Named, isUbrnShown: boolean): string {
  const about = extension?.[0];
  const missing = partOf(about, 'missing')?.valueCode;
  const hidden = type === 'ServiceRequest' ? 'a referral known by its UBRN only (--ubrns)' : undefined;
  const named = reference ?? (isUbrnShown && type === 'ServiceRequest' ? `UBRN ${identifier?.value}` : hidden);
  const words = [
    partOf(about, 'code')?.valueCoding?.code,
    missing,
    partOf(about, 'since')?.valueDateTime && `since ${partOf(about, 'since')?.valueDateTime}`,
    partOf(about, 'service')?.valueIdentifier?.value && `service ${partOf(about, 'service')?.valueIdentifier?.value}`,
    named,
    partOf(about, 'task')?.valueReference?.reference,
  ];
  return `- ${words.filter((word) => word !== undefined).join(', ')}`;
}
