import type { Task } from '@medplum/fhirtypes';
import type { DecisionCode, DecisionCommand, ErsPriority, RejectionReason } from '../../mappings/index.ts';
import type { DecisionIssueCode } from '../core/index.ts';

/** One rule that an update breaks: the code, the element, and a sentence with the remedy. Holds no patient data. */
export interface DecisionIssue {
  readonly code: DecisionIssueCode;
  /** FHIRPath of the element, e.g. `Task.statusReason`. */
  readonly expression: string;
  readonly text: string;
}

/** What the rules need to know besides the Task. */
export interface AssessContext {
  /** A004's reasons of type PROVIDER_REJECT in force now; undefined when e-RS's list has not been read yet. */
  readonly rejectionReasons: readonly RejectionReason[] | undefined;
  /** The referral's current priority in e-RS. */
  readonly currentPriority?: ErsPriority;
  /** References to DocumentReferences that may be sent with a decision on this Task (T-6). */
  readonly usableAttachments: ReadonlySet<string>;
  /** An attempt of the queued decision may have been recorded: it is on its way, whatever the Task says (D3, 4.5). */
  readonly isInDoubt?: boolean;
  /** Default 2,000 (T-2). */
  readonly maxCommentLength?: number;
}

/** An update of a review Task, judged. The `task` of each is what has to be stored (without lastModified). */
export type Assessment =
  | { readonly kind: 'unchanged' }
  /** Claim, release, a new owner, a note: nothing for e-RS (T-11, T-12). */
  | { readonly kind: 'annotated'; readonly task: Task }
  | {
      readonly kind: 'decided';
      readonly task: Task;
      readonly decision: DecisionCode;
      readonly command: DecisionCommand;
      /** The new note's author, else the owner, if it names a person. */
      readonly decider?: string;
      readonly attachments: readonly string[];
    }
  /** T-14 */
  | { readonly kind: 'taken-back'; readonly task: Task }
  /** Every broken rule. */
  | { readonly kind: 'refused'; readonly issues: readonly DecisionIssue[] };
