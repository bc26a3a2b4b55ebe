import { stripTypeScriptTypes } from 'node:module';

/** Jest transform: Node's own type stripping, so that tests run exactly what the server runs, line for line. */
export default { process: (source) => ({ code: stripTypeScriptTypes(source) }) };
