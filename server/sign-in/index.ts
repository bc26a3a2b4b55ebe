export type { Cis2Options } from './cis2.ts';
export { createSignIn, type SignInOptions } from './create-sign-in.ts';
