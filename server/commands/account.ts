import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { accountForLeaves, type SourceKind } from '../../mappings/index.ts';
import { type Command, WrongUse } from './command.ts';

/** `account`: the leaf accounting (G-2) of e-RS files. */
export const account: Command = {
  name: 'account',
  takes: 'FILE…',
  summary: 'Says of each e-RS JSON file which values are mapped, structural, or kept in ers-unmapped',
  help: 'It prints the paths that are kept or unaccounted for, never their values.',
  exitCodes: { 0: 'every value is accounted for', 1: 'a file holds a value that is not, or cannot be read' },
  async run({ args, say, complain }) {
    const { positionals: files } = parseArgs({ args: [...args], allowPositionals: true });
    if (files.length === 0) throw new WrongUse('Name one file of e-RS JSON or more.');
    let exitCode = 0;
    for (const file of files) {
      const source = readJson(file);
      if (source === undefined) {
        complain(`${file}: is no JSON, or cannot be read`);
        exitCode = 1;
        continue;
      }
      const { mapped, structural, kept, unaccounted } = accountForLeaves(source, kindOf(source));
      say(
        `${file}: ${mapped.length} mapped, ${structural.length} structural, ${kept.length} kept in ers-unmapped, ${unaccounted.length} unaccounted`,
      );
      for (const path of [...kept, ...unaccounted]) say(`  ${path}`);
      if (unaccounted.length > 0) exitCode = 1;
    }
    return exitCode;
  },
};

function readJson(file: string): object | undefined {
  try {
    const read: unknown = JSON.parse(readFileSync(file, 'utf8'));
    return typeof read === 'object' && read !== null ? read : undefined;
  } catch {
    return undefined;
  }
}

/** Which mapping a file of e-RS JSON goes through, by what it says it is. */
function kindOf(source: object): SourceKind {
  const { resourceType } = source as { resourceType?: string };
  if (resourceType === 'ReferralRequest') return 'referral';
  if (resourceType === 'Parameters') return 'cancel-answer';
  return JSON.stringify(source).includes('AppointmentSlotIssues-') ? 'APPOINTMENT_SLOT_ISSUES' : 'REFERRALS_FOR_REVIEW';
}
