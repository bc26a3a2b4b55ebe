import { account } from './account.ts';
import { audit } from './audit.ts';
import { checkErs } from './check-ers.ts';
import type { Command } from './command.ts';
import { copy } from './copy.ts';
import { demo } from './demo.ts';
import { fetch } from './fetch.ts';
import { poll } from './poll.ts';
import { reconcile } from './reconcile.ts';
import { serve } from './serve.ts';
import { token } from './token.ts';

export type { Call, Command } from './command.ts';
export { helpOf, WrongUse } from './command.ts';

/** The operator's door, in the order in which help shows it. */
export const COMMANDS: readonly Command[] = [
  serve,
  demo,
  fetch,
  poll,
  reconcile,
  checkErs,
  account,
  audit,
  copy,
  token,
];
