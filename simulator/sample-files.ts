import { crc32, deflateSync } from 'node:zlib';
import type { StoredFile } from './world.ts';

/** What e-RS lets people upload, with the extensions that belong to each type. Source: provider-api 3. */
export const UPLOADABLE: Record<string, readonly string[]> = {
  'text/plain': ['txt'],
  'application/pdf': ['pdf'],
  'text/xml': ['xml'],
  'text/rtf': ['rtf', 'rtx'],
  'audio/basic': ['au'],
  'audio/mpeg': ['mp3'],
  'image/png': ['png'],
  'image/gif': ['gif'],
  'image/jpeg': ['jpg', 'jpe', 'jpeg'],
  'image/tiff': ['tif', 'tiff'],
  'video/mpeg': ['mpg', 'mpeg', 'mpe'],
  'application/msword': ['doc'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': ['docx'],
  'application/dicom': ['dcm'],
};

const CHUNK_BYTES = 65_536;
const TEXT = 'Synthetic attachment. No real person is described here.\n';
const RTF = `{\\rtf1\\ansi ${TEXT.trim()}}`;

/** The bytes of a stored file in chunks: a small real file of its type, padded to its size where the type bears it. */
export function* chunksOf(file: StoredFile): Generator<Buffer> {
  const head = file.content ?? smallFile(file.contentType);
  yield head;
  const isText = /^text\/|pdf|msword/.test(file.contentType);
  const padding = Buffer.alloc(CHUNK_BYTES, isText ? '\n' : 0);
  for (let left = file.size - head.length; left > 0; left -= CHUNK_BYTES)
    yield left < CHUNK_BYTES ? padding.subarray(0, left) : padding;
}

/** How long the served file is: never shorter than the smallest file of the type. */
export const lengthOf = (file: StoredFile): number =>
  Math.max(file.size, (file.content ?? smallFile(file.contentType)).length);

/** The smallest file of a type that a viewer opens. */
export function smallFile(contentType: string): Buffer {
  switch (contentType) {
    case 'application/pdf':
      return smallPdf();
    case 'image/png':
      return smallPng();
    case 'image/tiff':
      return smallTiff();
    case 'image/gif':
      return Buffer.from('R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7', 'base64');
    case 'image/jpeg':
      return Buffer.from(SMALL_JPEG, 'base64');
    case 'text/xml':
      return Buffer.from(`<?xml version="1.0" encoding="UTF-8"?>\n<note>${TEXT.trim()}</note>\n`);
    case 'text/html':
      return Buffer.from(`<!doctype html><title>Letter</title><p>${TEXT.trim()}</p>\n`);
    case 'text/rtf':
    case 'application/msword': // Word opens rich text under either name
      return Buffer.from(RTF);
    case 'application/vnd.openxmlformats-officedocument.wordprocessingml.document':
      return smallDocx();
    case 'application/dicom':
      return Buffer.concat([Buffer.alloc(128), Buffer.from('DICM')]);
    default:
      return Buffer.from(TEXT);
  }
}

const SMALL_JPEG =
  '/9j/4AAQSkZJRgABAQEASABIAAD/2wBDAP//////////////////////////////////////////////////////////////////////////////////////wgALCAABAAEBAREA/8QAFBABAAAAAAAAAAAAAAAAAAAAAP/aAAgBAQABPxA=';

function smallPdf(): Buffer {
  const stream = `BT /F1 12 Tf 40 780 Td (${TEXT.trim()}) Tj ET`;
  const objects = [
    '<</Type/Catalog/Pages 2 0 R>>',
    '<</Type/Pages/Kids[3 0 R]/Count 1>>',
    '<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]/Contents 4 0 R/Resources<</Font<</F1 5 0 R>>>>>>',
    `<</Length ${stream.length}>>\nstream\n${stream}\nendstream`,
    '<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>',
  ];
  let text = '%PDF-1.4\n';
  const offsets = objects.map((object, index) => {
    const offset = text.length;
    text += `${index + 1} 0 obj\n${object}\nendobj\n`;
    return `${String(offset).padStart(10, '0')} 00000 n \n`;
  });
  const xref = `xref\n0 6\n0000000000 65535 f \n${offsets.join('')}`;
  return Buffer.from(`${text}${xref}trailer\n<</Size 6/Root 1 0 R>>\nstartxref\n${text.length}\n%%EOF\n`);
}

function smallPng(): Buffer {
  const chunk = (type: string, data: Buffer): Buffer => {
    const body = Buffer.concat([Buffer.from(type), data]);
    const frame = Buffer.alloc(body.length + 8);
    frame.writeUInt32BE(data.length, 0);
    body.copy(frame, 4);
    frame.writeUInt32BE(crc32(body), body.length + 4);
    return frame;
  };
  const header = Buffer.from([0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
  const signature = Buffer.from([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]);
  const pixels = deflateSync(Buffer.from([0, 255]));
  return Buffer.concat([signature, chunk('IHDR', header), chunk('IDAT', pixels), chunk('IEND', Buffer.alloc(0))]);
}

function smallTiff(): Buffer {
  // tag, type (3 short, 4 long), value of one white pixel, one strip, no compression; the pixel lies behind the directory
  const entries = [
    [256, 3, 1],
    [257, 3, 1],
    [258, 3, 8],
    [259, 3, 1],
    [262, 3, 1],
    [273, 4, 110],
    [278, 3, 1],
    [279, 4, 1],
  ];
  const file = Buffer.alloc(111, 0);
  file.write('II*\0', 0, 'latin1');
  file.writeUInt32LE(8, 4);
  file.writeUInt16LE(entries.length, 8);
  entries.forEach(([tag = 0, type = 0, value = 0], index) => {
    const at = 10 + index * 12;
    file.writeUInt16LE(tag, at);
    file.writeUInt16LE(type, at + 2);
    file.writeUInt32LE(1, at + 4);
    file.writeUInt32LE(value, at + 8);
  });
  file[110] = 255;
  return file;
}

const OFFICE = 'http://schemas.openxmlformats.org';
const DOCX_PARTS: [string, string][] = [
  [
    '[Content_Types].xml',
    `<Types xmlns="${OFFICE}/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
  ],
  [
    '_rels/.rels',
    `<Relationships xmlns="${OFFICE}/package/2006/relationships"><Relationship Id="rId1" Type="${OFFICE}/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
  ],
  [
    'word/document.xml',
    `<w:document xmlns:w="${OFFICE}/wordprocessingml/2006/main"><w:body><w:p><w:r><w:t>${TEXT.trim()}</w:t></w:r></w:p></w:body></w:document>`,
  ],
];

/** A Word document is a zip; its parts are stored without compression. */
function smallDocx(): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, text] of DOCX_PARTS) {
    const data = Buffer.from(text);
    const fields = Buffer.alloc(26);
    fields.writeUInt16LE(20, 0);
    fields.writeUInt16LE(0x21, 8); // 1 January 1980
    fields.writeUInt32LE(crc32(data), 10);
    fields.writeUInt32LE(data.length, 14);
    fields.writeUInt32LE(data.length, 18);
    fields.writeUInt16LE(name.length, 22);
    const tail = Buffer.alloc(14);
    tail.writeUInt32LE(offset, 10);
    locals.push(Buffer.from('PK\x03\x04', 'latin1'), fields, Buffer.from(name), data);
    directory.push(Buffer.from('PK\x01\x02\x14\0', 'latin1'), fields, tail, Buffer.from(name));
    offset += 30 + name.length + data.length;
  }
  const entries = Buffer.concat(directory);
  const end = Buffer.alloc(22);
  end.write('PK\x05\x06', 0, 'latin1');
  end.writeUInt16LE(DOCX_PARTS.length, 8);
  end.writeUInt16LE(DOCX_PARTS.length, 10);
  end.writeUInt32LE(entries.length, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, entries, end]);
}
