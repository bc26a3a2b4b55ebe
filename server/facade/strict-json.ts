/** JSON that is taken, or why not. Faults never quote the text: it may be a patient's. */
export type ReadJson = { readonly ok: true; readonly json: unknown } | { readonly ok: false; readonly fault: string };

/** Deeper than any resource, far below what would exhaust a stack. */
export const MAX_JSON_DEPTH = 64;

/**
 * Reads JSON and refuses what JSON.parse would bend in silence: a name that stands twice in one object (the last would
 * win), names that mean something to every object, characters that strings of FHIR do not have, nesting without end.
 * Source: RFC 8259 4, 8.2; R4 datatypes.html string
 */
export function readStrictJson(text: string): ReadJson {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return { ok: false, fault: 'is not well-formed JSON.' };
  }
  const fault = faultIn(text);
  return fault === undefined ? { ok: true, json } : { ok: false, fault };
}

/** Walks text that is known to be well-formed. */
function faultIn(text: string): string | undefined {
  /** The names so far of each object that is open; undefined for a list. */
  const open: (Set<string> | undefined)[] = [];
  let isName = false;
  for (let at = 0; at < text.length; at += 1) {
    switch (text[at]) {
      case '{':
      case '[':
        if (open.length === MAX_JSON_DEPTH) return `is nested more than ${MAX_JSON_DEPTH} levels deep.`;
        isName = text[at] === '{';
        open.push(isName ? new Set() : undefined);
        break;
      case '}':
      case ']':
        open.pop();
        break;
      case ',':
        isName = open.at(-1) !== undefined;
        break;
      case '"': {
        const end = endOfString(text, at);
        const value = JSON.parse(text.slice(at, end + 1)) as string;
        if (!isPlain(value))
          return 'holds a character that FHIR strings do not have (a control character or half of a pair).';
        const names = open.at(-1);
        if (isName && names?.has(value)) return 'has one name twice in the same object.';
        if (isName && value in Object.prototype) return 'has a name that no element has.';
        if (isName) names?.add(value);
        isName = false;
        at = end;
        break;
      }
    }
  }
  return undefined;
}

function endOfString(text: string, start: number): number {
  let end = start + 1;
  while (text[end] !== '"') end += text[end] === '\\' ? 2 : 1;
  return end;
}

/** Whether nothing in it would be stored as something else. */
const isPlain = (text: string): boolean => text.isWellFormed() && !/[^\t\n\r\u{20}-\u{10ffff}]/u.test(text);
