/** A test that docs/safety/hazards.md names: its file, and its title as it stands there. */
export interface CitedTest {
  readonly hazard: string;
  readonly file: string;
  readonly title: string;
}

export interface Hazard {
  readonly id: string;
  readonly text: string;
  readonly proofs: readonly CitedTest[];
}

/** What of a jest report (--json) is read here. */
export interface JestReport {
  readonly testResults: readonly {
    readonly name: string;
    readonly assertionResults: readonly { readonly title: string; readonly status: string }[];
  }[];
}

const PROOF = /^ {2}- `([^`]+)`: (.+)$/gm;

/** The hazards of the page, each with the tests that it names. */
export function readHazards(page: string): Hazard[] {
  return page
    .split(/^## /m)
    .slice(1)
    .map((text) => {
      const id = /^H-\d\d(?= )/.exec(text)?.[0] ?? '';
      const proofs = [...text.matchAll(PROOF)].map(([, file = '', title = '']) => ({ hazard: id, file, title }));
      return { id, text, proofs };
    });
}

/** A title of test.each stands for all that its table makes of it. */
function titlePattern(title: string): RegExp {
  const parts = title.split(/%[sdifjop#]|\$[a-z]\w*(?:\.\w+)*/i);
  return new RegExp(`^${parts.map((part) => part.replace(/[$()*+.?[\\\]^{|}]/g, '\\$&')).join('.*')}$`, 's');
}

/** What is wrong with each cited test in these reports: it did not run, or not every case of it passed. */
export function unproven(cited: readonly CitedTest[], reports: readonly JestReport[]): string[] {
  const results = reports.flatMap(({ testResults }) => testResults);
  return cited.flatMap(({ hazard, file, title }) => {
    const pattern = titlePattern(title);
    const cases = results
      .filter(({ name }) => name.endsWith(`/${file}`))
      .flatMap(({ assertionResults }) => assertionResults)
      .filter((result) => pattern.test(result.title));
    const notPassed = cases.filter(({ status }) => status !== 'passed');
    if (cases.length > 0 && notPassed.length === 0) return [];
    const why = cases.length === 0 ? 'did not run' : `${notPassed.length} of ${cases.length} did not pass`;
    return [`${hazard}: ${why}: ${file}: ${title}`];
  });
}
