import type { Finding } from './check-exchange.ts';

/** Where the simulator must deviate from e-RS's OpenAPI text, and on what evidence. An unused waiver fails the run. */
export interface Waiver {
  side: 'request' | 'answer';
  endpoints: RegExp;
  statuses?: number[];
  mode?: 'application' | 'user';
  problem: RegExp;
  evidence: string;
}

export const WAIVERS: Waiver[] = [
  {
    side: 'request',
    endpoints: /^A0(28|29|36)$/,
    mode: 'application',
    problem: /^header NHSD-(End-User-Organisation-ODS|eRS-Business-Function) is missing$/,
    evidence:
      'provider-api 1.4, 9 trap 34: the prose opens these to unattended use, the schema always asks for the headers of a user',
  },
  {
    side: 'answer',
    endpoints: /./,
    statuses: [401],
    problem: /^answer header Content-Type is missing$/,
    evidence: 'provider-api 1.6 [P]: the gateway answers a bad token on a STU3 path with an empty body',
  },
  {
    side: 'answer',
    endpoints: /^A0(05|13|14|22|28|36)$/,
    problem: /extension\/\*\/valueCoding\/code .*THREATS_FOUND/,
    evidence: 'provider-api 9 trap 18: the text of A005 spells THREATS FOUND with a space',
  },
  {
    side: 'answer',
    endpoints: /^A0(05|13|14|22|28|36)$/,
    problem: /^answer\/extension\/\* must have required property 'valueInstant'/,
    evidence: 'provider-api 5.2, 9 trap 12: the pathway start comes as valueInstant or valueDateTime',
  },
  {
    side: 'answer',
    endpoints: /^A022$/,
    statuses: [502, 504],
    problem: /^status 50[24] is not in the contract$/,
    evidence:
      'provider-api 2.3, 9.1 no. 14: A022 cancels bookings of the PAS as A014 does, but lists no status for a PAS in trouble; by seed it has that of A014',
  },
];

export const isWaived = (finding: Finding, waiver: Waiver): boolean =>
  waiver.side === finding.side &&
  waiver.endpoints.test(finding.endpoint) &&
  (waiver.statuses?.includes(finding.status) ?? true) &&
  (waiver.mode === undefined || waiver.mode === finding.mode) &&
  waiver.problem.test(finding.problem);

/** What no waiver explains, each once. A request that e-RS itself refused may be as wrong as it likes. */
export const unexplainedOf = (findings: readonly Finding[]): string[] => [
  ...new Set(
    findings
      .filter(({ side, status }) => side === 'answer' || status < 400)
      .filter((finding) => !WAIVERS.some((waiver) => isWaived(finding, waiver)))
      .map((finding) => JSON.stringify(finding)),
  ),
];
