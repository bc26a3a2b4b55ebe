import { createHash } from 'node:crypto';
import type { DispatchRecord } from '../../server/core/index.ts';
import type { Asked } from './in-memory-http.ts';

/** A file that e-RS shows on a referral; `sha1` of those that were uploaded. */
export interface Linked {
  readonly type: string;
  readonly title: string;
  readonly sha1?: string;
}

/** A name that a record holds for the next upload of a review. */
interface FileName {
  readonly taskId: string;
  readonly ubrn: string;
  readonly name: string;
}

type Fault = (rule: string, what: string) => void;

/**
 * Follows the files of clients to e-RS: each goes under a name of its own, only if somebody put it with a decision, and is
 * shown by e-RS once, with its bytes, if that decision was recorded. Source: T-6; deliver.ts, steps 1a to 1c
 */
export class Files {
  readonly #fault: Fault;
  /** What clients have in the store, by its reference. */
  readonly #kept = new Map<string, string>();
  /** Names that are in the store for an upload which has not left. */
  #names: FileName[] = [];
  readonly #knownNames = new Map<string, ReadonlySet<string>>();
  /** What e-RS took, by the URL that it gave. */
  readonly #uploads = new Map<string, string>();
  /** The URLs that a decision left with, by its correlation id. */
  readonly #links = new Map<string, readonly string[]>();
  /** Files that others took off a referral in e-RS. */
  readonly #takenOff = new Map<string, readonly Linked[]>();

  constructor(fault: Fault) {
    this.#fault = fault;
  }

  /** A client has a file in the store, and knows it by this reference. */
  attached(reference: string, bytes: Buffer): void {
    this.#kept.set(reference, sha1Of(bytes));
  }

  wroteRecord({ taskId, ubrn, uploadNames = [] }: DispatchRecord): void {
    const known = this.#knownNames.get(taskId);
    for (const name of uploadNames) if (!known?.has(name)) this.#names.push({ taskId, ubrn, name });
    this.#knownNames.set(taskId, new Set(uploadNames));
  }

  /** A file leaves for e-RS. `wantedOf`: the files that clients put with decisions of a Task. */
  leaves({ headers, body }: Asked, wantedOf: (taskId: string) => readonly string[]): void {
    const ubrn = String(headers['nhsd-ers-referral-id'] ?? '');
    const name = String(headers['nhsd-ers-file-name'] ?? '');
    const named = this.#names.find((one) => one.ubrn === ubrn && one.name === name);
    if (named === undefined) {
      this.#fault('T-6', `a file left for ${ubrn} under a name that is not in the store, or was used: ${name}`);
      return;
    }
    this.#names = this.#names.filter((one) => one !== named);
    const sha1 = sha1Of(body ?? EMPTY);
    if (!wantedOf(named.taskId).some((reference) => this.#kept.get(reference) === sha1))
      this.#fault('D4', `a file left for ${ubrn} that no client put with a decision of Task ${named.taskId}`);
  }

  /** e-RS has a file, whether or not anybody hears where. */
  taken({ body }: Asked, location: string): void {
    this.#uploads.set(/Binary\/[^/]+$/.exec(location)?.[0] ?? location, sha1Of(body ?? EMPTY));
  }

  /** A decision leaves with links to files. */
  linked(correlationId: string, urls: readonly string[]): void {
    this.#links.set(correlationId, urls);
  }

  /** Whether those are the files behind the URLs. */
  areThose(urls: readonly string[], references: readonly string[] = []): boolean {
    const those = references.map((reference) => this.#kept.get(reference) ?? reference);
    return isSame(this.#behind(urls), those);
  }

  /** Others took files off a referral in e-RS: what it showed before, and what it shows since. */
  tookOff(ubrn: string, before: readonly Linked[], since: readonly Linked[]): void {
    const gone = before.filter(({ title }) => since.every((one) => one.title !== title));
    this.#takenOff.set(ubrn, [...(this.#takenOff.get(ubrn) ?? []), ...gone]);
  }

  /** What e-RS shows of ours is what the decisions that it recorded came with. Answers how many. */
  atRest(ubrn: string, recorded: readonly string[], attachments: readonly Linked[]): number {
    const came = recorded.flatMap((correlationId) => this.#behind(this.#links.get(correlationId) ?? []));
    const shown = [...attachments, ...(this.#takenOff.get(ubrn) ?? [])].flatMap(({ type, sha1 }) =>
      type === 'PROVIDER' ? (sha1 ?? 'never uploaded') : [],
    );
    if (!isSame(came, shown))
      this.#fault(
        'T-6',
        `e-RS shows ${shown.length} files of ours on ${ubrn}, not the ${came.length} of its decisions`,
      );
    return shown.length;
  }

  #behind = (urls: readonly string[]): readonly string[] => urls.map((url) => this.#uploads.get(url) ?? url);
}

const EMPTY = Buffer.alloc(0);
const sha1Of = (bytes: Buffer): string => createHash('sha1').update(bytes).digest('base64');
const isSame = (some: readonly string[], others: readonly string[]): boolean =>
  some.toSorted().join() === others.toSorted().join();
