import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Where a page of results starts. `next` is the store's own mark; without it the search begins anew. */
export interface PagePoint {
  readonly type: string;
  readonly kind: 'search' | 'history';
  /** Of whose versions it is a page. */
  readonly id?: string;
  readonly query: string;
  /** Whom it was made for (markOf). */
  readonly caller: string;
  readonly next?: string;
  /** Parameters that were ignored, so that every page says so. */
  readonly ignored?: readonly string[];
}

export interface PagingTokens {
  seal(point: PagePoint): string;
  /** Undefined: not made by this installation. */
  open(token: string): PagePoint | undefined;
}

const NONCE_BYTES = 12;
const TAG_BYTES = 16;

/**
 * Makes paging tokens that hold the query encrypted: links are kept in logs and histories, and queries may name
 * patients (architecture 11). Every replica with the same secret opens them.
 */
export function pagingTokens(secret: string): PagingTokens {
  const key = new Uint8Array(hkdfSync('sha256', secret, '', 'ers-fhir paging links', 32));
  return {
    seal(point) {
      const nonce = randomBytes(NONCE_BYTES);
      const cipher = createCipheriv('aes-256-gcm', key, nonce);
      const sealed = Buffer.concat([cipher.update(JSON.stringify(point), 'utf8'), cipher.final()]);
      return Buffer.concat([nonce, cipher.getAuthTag(), sealed]).toString('base64url');
    },
    open(token) {
      const bytes = Buffer.from(token, 'base64url');
      if (bytes.length <= NONCE_BYTES + TAG_BYTES) return undefined;
      const decipher = createDecipheriv('aes-256-gcm', key, bytes.subarray(0, NONCE_BYTES), {
        authTagLength: TAG_BYTES,
      });
      decipher.setAuthTag(bytes.subarray(NONCE_BYTES, NONCE_BYTES + TAG_BYTES));
      try {
        const opened = Buffer.concat([decipher.update(bytes.subarray(NONCE_BYTES + TAG_BYTES)), decipher.final()]);
        return JSON.parse(opened.toString('utf8')) as PagePoint;
      } catch {
        // GCM throws for anything that it did not seal: forged, cut, or of another installation.
        return undefined;
      }
    },
  };
}
