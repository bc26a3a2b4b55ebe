export { type AccessConfig, createAccess } from './access.ts';
export { type ClientKey, makeClientKey, tokenRequest } from './client-key.ts';
export { type Client, type ReadClients, readClients } from './clients.ts';
export { makeIssuerKey } from './issuer.ts';
