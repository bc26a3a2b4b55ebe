export { longestGaps } from './cadence.ts';
export type { Intake } from './intake.ts';
export { createIntake } from './intake.ts';
export type { IntakeOptions } from './room.ts';
