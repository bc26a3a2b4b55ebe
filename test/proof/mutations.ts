/** A guard taken out: an exact piece of source, what stands there instead, and the tests that should notice. */
export interface Mutation {
  readonly guard: string;
  readonly edits: readonly { readonly file: string; readonly from: string; readonly to: string }[];
  /** Besides the proof itself: where the tests of this guard are. */
  readonly tests: readonly string[];
}

const one = (guard: string, file: string, from: string, to: string, ...tests: string[]): Mutation => ({
  guard,
  edits: [{ file, from, to }],
  tests,
});

const STALE = "if (sync !== undefined && facts.version < sync.version) return { kind: 'stale', sync };";

/** Each failure that the proof has found is a test there. */
const FOUND = 'test/proof/found';

/** Source: issue 5, Proof, "Mutation" */
export const MUTATIONS: readonly Mutation[] = [
  one(
    'If-Match to e-RS (E-3)',
    'server/ers/decision-call.ts',
    `headers: { 'if-match': \`W/"\${version}"\` },`,
    'headers: {},',
    'test/ers/requests',
  ),
  one(
    'the in-flight mark, written before the send (D2)',
    'server/dispatch/deliver.ts',
    '  const written = await write(options, hand, inFlight);\n',
    '  const written: Next = inFlight.task.id === undefined ? reload : rest;\n',
    'test/dispatch/deliver',
  ),
  one(
    'the reread after an unknown outcome (D2, 4.5)',
    'server/decisions/delivery.ts',
    "return { kind: 'reread', why: 'unknown', afterMs: fate.afterMs };",
    'return again(decision, fate.afterMs, situation, policy);',
    'test/decisions/delivery',
    'test/dispatch/deliver',
  ),
  one(
    'a restart settles an unknown attempt before it sends (D2)',
    'server/decisions/delivery.ts',
    "  if (decision.isUnknowable || decision.lastAttempt?.outcome === 'unknown')\n",
    '  if (decision.isUnknowable)\n',
    'test/decisions/delivery',
  ),
  {
    guard: 'version monotony (K4, I-12)',
    edits: [
      { file: 'server/landing/attempt.ts', from: STALE, to: '' },
      { file: 'server/landing/create-landing.ts', from: STALE, to: '' },
    ],
    tests: ['test/landing/versions'],
  },
  one(
    'note selection: one new note, or none is sent (T-2)',
    'server/decisions/read-decision.ts',
    '  if (notes.length > 1) {\n',
    '  if (notes.length > 99) {\n',
    'test/decisions/decide',
  ),
  one(
    'note selection: the note of the deciding update (T-2)',
    'server/dispatch/find-review.ts',
    '    if (!isTheirs.value) taken =',
    '    if (!isTheirs.ok) taken =',
    FOUND,
  ),
  one(
    'If-Match on records and Tasks in the store (D1)',
    'server/store/embedded/transaction.ts',
    'const condition = ifMatch === undefined ? { mustBeNew: true } : { ifMatch };',
    'const condition = ifMatch === undefined ? { mustBeNew: true } : {};',
    'test/contract',
  ),
  one(
    'one turn a referral (D1)',
    'server/core/turns.ts',
    'const turn = (this.#last.get(key) ?? Promise.resolve()).then(work, work);',
    'const turn = Promise.resolve().then(work);',
    'test/core/turns',
    'test/dispatch/one-in-flight',
  ),
  one(
    'after a 409: sent again only while the fingerprint is equal (4.5, E-5)',
    'server/decisions/delivery.ts',
    "  if (!isSame) return { kind: 'conflict' };\n",
    '',
    'test/decisions/delivery',
  ),
  one(
    'after an unknown accept: probed only while the fingerprint is equal (4.5)',
    'server/decisions/delivery.ts',
    '    if (isSame) return resend;\n',
    '    if (isSame || decision.attempts > 0) return resend;\n',
    'test/decisions/delivery',
  ),
  one(
    'an explicit code to reject (D4, T-1)',
    'server/decisions/read-decision.ts',
    "    { status: 'accepted', decision: 'accept' },\n",
    "    { status: 'accepted', decision: 'accept' },\n    { status: 'rejected', decision: 'reject' },\n",
    'test/decisions/decide',
  ),
  one(
    'an explicit code to return a referral (D4, T-1)',
    'server/decisions/read-decision.ts',
    "  { status: 'accepted', decision: 'accept-book-later' },\n",
    "  { status: 'accepted', decision: 'accept-book-later' },\n  { status: 'rejected', decision: 'return-with-advice' },\n",
    'test/decisions/decide',
  ),
  one(
    'a refusal after an unknown attempt may be our own success (4.5)',
    'server/decisions/delivery.ts',
    '  if (decision.wasUnknown && (OWN_DOING',
    '  if (decision.wasUnknown && decision.attempts < 0 && (OWN_DOING',
    'test/decisions/delivery',
  ),
  one(
    'what is being sent waits for its answer, whatever e-RS shows meanwhile (E-10)',
    'server/decisions/plan-review.ts',
    '  if (isUnderWay && !decision?.isUnknowable) return none();\n',
    '',
    'test/decisions/plan-review',
  ),
  one(
    'a list that was read while the attempt may be at work proves nothing (4.5)',
    'server/decisions/plan-review.ts',
    'return sincePolled > ATTEMPT_MAX_MS',
    'return sincePolled > 0 || ATTEMPT_MAX_MS < 0',
    'test/decisions/plan-review',
  ),
  one(
    'e-RS answers 200 and the store fails: the answer is kept in hand (E-4)',
    'server/dispatch/settle.ts',
    "if (landed.kind === 'store-failed' && tries < STORE_TRIES) {",
    "if (landed.kind === 'store-failed' && tries < 0) {",
    'test/dispatch/store-down',
  ),
  one(
    'the sweep knows reviews that no hint told of (architecture 4)',
    'server/dispatch/known-reviews.ts',
    'if (key === undefined || this.#keys.has(key)) continue;',
    'if (key === undefined || this.#isLoaded) continue;',
    FOUND,
  ),
  one(
    'the sweep looks at closed reviews that were written on (D3)',
    'server/dispatch/dispatch.ts',
    'reviews.open().map(({ taskId: id }) => id), ...written.value]',
    'reviews.open().map(({ taskId: id }) => id)]',
    FOUND,
  ),
  one(
    'what was repaired is written before a decision is settled (D3)',
    'server/dispatch/deliver.ts',
    'if (!hand.isDirty) return settle(',
    "if (!hand.isDirty || step.why === 'unknown') return settle(",
    FOUND,
  ),
  one(
    'attempts under a lock come at growing intervals (E-8a)',
    'server/decisions/delivery.ts',
    "if (why === 'locked' && isSameVersion) return again(decision, 0, situation, policy);",
    "if (why === 'locked' && isSameVersion) return resend;",
    FOUND,
    'test/decisions/delivery',
  ),
  one(
    'an accept in doubt is not opened because its referral changed (4.5)',
    'server/decisions/plan-review.ts',
    'decision.wasUnknown && !seenNow(situation, latest).isSame) {',
    'decision.wasUnknown && !seenNow(situation, latest).isSame && decision.attempts < 0) {',
    FOUND,
  ),
  one(
    'a decision in doubt is not closed because e-RS shows the referral no more (D3)',
    'server/decisions/plan-review.ts',
    '  if (decision?.wasUnknown) {\n',
    '  if (decision?.wasUnknown && decision.attempts < 0) {\n',
    FOUND,
  ),
  one(
    'what is decided is taken over (K1)',
    'server/dispatch/take-over.ts',
    "    case 'decided':\n      return {",
    "    case 'decided':\n      if (now !== '') return nothing;\n      return {",
    'test/dispatch/deliver',
  ),
  one(
    'what an attempt in doubt left cannot be taken back (D3)',
    'server/dispatch/take-over.ts',
    '    record.decision?.wasUnknown ||\n',
    '',
    FOUND,
  ),
  one(
    'a review under way that left its lists rests on them until it has ended (E-10)',
    'server/landing/next-sync.ts',
    'const listed = isPostponed(review, input.items) ? undefined : input.items;',
    'const listed = input.items;',
    FOUND,
  ),
  one(
    'a review that ended for another reason than its lists rests on them no more (4.6, K1)',
    'server/landing/next-sync.ts',
    'const items = isEnded ? [] : (listed',
    'const items = isEnded && listed !== undefined ? [] : (listed',
    'test/journeys/listed-again',
  ),
];
