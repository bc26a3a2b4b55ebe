import { spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';

/** Runs the tests that need a real browser, or says in one line that there is none. */
const PLACES = [process.env['CHROMIUM'], '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];
const chromium = PLACES.find((path) => path !== undefined && path !== '' && existsSync(path));
if (chromium === undefined) {
  process.stdout.write(
    'SKIPPED: no browser here. Install chromium (apt-get install chromium), or name one in CHROMIUM.\n',
  );
  process.exit(0);
}
const { status } = spawnSync(
  process.execPath,
  [
    '--disable-warning=ExperimentalWarning',
    '--experimental-vm-modules',
    'node_modules/jest/bin/jest.js',
    '--config',
    'jest.browser.config.js',
    ...process.argv.slice(2),
  ],
  { stdio: 'inherit', env: { ...process.env, CHROMIUM: chromium } },
);
process.exit(status ?? 1);
