import type { StoreResult } from '../../core/index.ts';
import { failure } from '../fhir/outcome.ts';
import type { MedplumWire } from './client.ts';

/**
 * The project that our client belongs to. A Medplum shows more than that: the CodeSystems of its own R4 project, and
 * what other projects share by a link. What is not ours must neither be found nor read (docs/stores.md).
 */
export class OwnProject {
  readonly #wire: MedplumWire;
  #id: string | undefined;

  constructor(wire: MedplumWire) {
    this.#wire = wire;
  }

  /** Asked for once. */
  async id(): Promise<StoreResult<string>> {
    if (this.#id !== undefined) return { ok: true, value: this.#id };
    const asked = await this.#wire.ask<{ project?: { id?: string } } | undefined>('read', (client, options) =>
      client.get('auth/me', options),
    );
    if (!asked.ok) return asked;
    const id = asked.value.status === 200 ? asked.value.body?.project?.id : undefined;
    if (id === undefined) return failure('unavailable', 'The store does not say to which of its projects we belong');
    this.#id = id;
    return { ok: true, value: id };
  }

  /** A condition for a search, so that it finds what is ours. */
  async condition(): Promise<StoreResult<readonly [string, string]>> {
    const id = await this.id();
    return id.ok ? { ok: true, value: ['_project', id.value] } : id;
  }

  /** Whether a resource that the store sent is ours. */
  async has(body: unknown): Promise<StoreResult<boolean>> {
    const of = (body as { meta?: { project?: unknown } } | undefined)?.meta?.project;
    if (typeof of !== 'string') return { ok: true, value: true };
    const id = await this.id();
    return id.ok ? { ok: true, value: id.value === of } : id;
  }
}
