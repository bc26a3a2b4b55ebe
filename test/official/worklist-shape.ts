type Json = ReturnType<typeof JSON.parse>;

/** The keys of a value, nested ones too; of a reference within the answer, what it points at. */
function shapeOf(value: Json): string {
  if (Array.isArray(value)) return `[${shapeOf(value[0])}]`;
  if (typeof value !== 'object')
    return typeof value === 'string' ? value.replace(/^(#\w+-)?.*$/s, '$1string') : typeof value;
  return `{${Object.keys(value)
    .sort()
    .map((key) => `${key}: ${shapeOf(value[key])}`)
    .join(', ')}}`;
}

/** How a worklist writes its items: list, reference, contained resources, and each field with its type and shape, once. */
export function shapeOfWorklist({ contained = [], entry = [], ...list }: Json): Record<string, string[]> {
  const shapes = new Map<string, Set<string>>();
  const add = (name: string, shape: string): void => void shapes.set(name, (shapes.get(name) ?? new Set()).add(shape));
  add('list', shapeOf(list));
  for (const { id, resourceType, ...resource } of contained)
    add(`contained ${resourceType}`, `${id.replace(/\d+/, 'N')} ${shapeOf(resource)}`);
  for (const { item, extension } of entry) {
    add('item', item.reference.replace(/\d{12}$/, 'UBRN'));
    for (const { url, extension: fields } of extension) {
      add('url', url);
      for (const { url: name, ...value } of fields) add(`field ${name}`, shapeOf(value));
    }
  }
  return Object.fromEntries([...shapes].map(([name, set]) => [name, [...set].sort()]));
}
