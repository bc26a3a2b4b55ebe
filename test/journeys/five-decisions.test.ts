import { fiveDecisions } from './five-decisions.ts';
import { startWorld } from './world.ts';

fiveDecisions('the five decisions', () => startWorld({ referrals: 0, returnedState: 'TRIAGE_RESPONSE' }));
