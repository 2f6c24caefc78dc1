import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { DlfsError } from '../../../../src/base/errors.ts';
import { XmlReader } from '../../../../src/source/s3/xml.ts';

/** Every element and text of a document, as nested arrays. */
function readAll(text: string): unknown {
  const xml = new XmlReader(text, 'the document');
  const read = (): unknown[] => {
    const children: unknown[] = [];
    for (let name = xml.next(); name !== null; name = xml.next()) children.push([name, read()]);
    return children;
  };
  return read();
}

function leafOf(inner: string): string {
  const xml = new XmlReader(`<a>${inner}</a>`, 'the document');
  xml.next();
  return xml.leaf();
}

test('elements are read with what is around them ignored', () => {
  const text =
    '\uFEFF<?xml version="1.0" encoding="UTF-8"?>\n<!-- c --><a xmlns="x" b = \'y>z\'>\n <b/><c ><d></d></c\n>\n</a>\n';
  assert.deepEqual(readAll(text), [
    [
      'a',
      [
        ['b', []],
        ['c', [['d', []]]],
      ],
    ],
  ]);
});

test('text has its references resolved, comments left out, and its line ends made one', () => {
  assert.equal(
    leafOf('&quot;a&#34;&#x22;&amp;lt;&lt;&gt;&apos; &#128512;&#x1F600;'),
    '"a""&lt;<>\' \u{1F600}\u{1F600}',
  );
  assert.equal(leafOf('a\r\nb\rc&#13;'), 'a\nb\nc\r');
  assert.equal(leafOf('a<!-- x -->b<![CDATA[<&>]]>c'), 'ab<&>c');
  assert.equal(leafOf(' a '), ' a ');
});

test('an element passed over may hold anything, and reading goes on behind it', () => {
  const xml = new XmlReader('<a><b><c>x</c>y<d/><![CDATA[<]]></b><e/><f>1</f></a>', 'the document');
  assert.equal(xml.next(), 'a');
  assert.equal(xml.next(), 'b');
  xml.skip();
  assert.equal(xml.next(), 'e');
  xml.skip();
  assert.equal(xml.next(), 'f');
  assert.equal(xml.leaf(), '1');
  assert.equal(xml.next(), null);
  assert.equal(xml.next(), null);
});

const faults: readonly (readonly [string, string])[] = [
  ['nothing at all', ''],
  ['text without an element', 'hello'],
  ['a document that ends in an element', '<a><b></b>'],
  ['a document that ends in a tag', '<a><b'],
  ['a document that ends in a closing tag', '<a></a'],
  ['crossed tags', '<a><b></a></b>'],
  ['a second root', '<a></a><b></b>'],
  ['a document type', '<!DOCTYPE a><a></a>'],
  ['entities of its own', '<!DOCTYPE a [<!ENTITY x "y">]><a>&x;</a>'],
  ['a document type within', '<a><!DOCTYPE b></a>'],
  ['a processing instruction', '<a><?php x ?></a>'],
  ['text between elements', '<a>x<b></b></a>'],
  ['a comment without end', '<a><!-- </a>'],
  ['a tag without a name', '<a>< b></b></a>'],
  ['an attribute without quotes', '<a b=c></a>'],
  ['a name without end', `<${'a'.repeat(100_000)}></a>`],
  ['nesting without end', '<a>'.repeat(100_000)],
  ['a million tags that never close', '<a '.repeat(1_000_000)],
];

for (const [what, text] of faults) {
  test(`${what} is refused at once, on one short line`, () => {
    const began = performance.now();
    assert.throws(
      () => readAll(text),
      (error: unknown) => error instanceof DlfsError && error.code === 'protocol' && error.message.length < 200,
    );
    assert.ok(performance.now() - began < 1000);
  });
}

test('references to what does not exist are refused', () => {
  for (const reference of [
    '&x;',
    '&nbsp;',
    '&',
    '&;',
    '&amp',
    '&#xD800;',
    '&#1114112;',
    '&#;',
    '&#x;',
    '&#99999999;',
  ]) {
    assert.throws(() => leafOf(reference), DlfsError, reference);
  }
});

test('any bytes whatever give a result or a DlfsError', () => {
  const piece = fc.constantFrom(
    '<',
    '>',
    '</',
    '/>',
    '<a>',
    '</a>',
    '<a',
    '<!--',
    '-->',
    '<![CDATA[',
    ']]>',
    '<?xml',
    '?>',
    '&',
    '&lt;',
    '&#',
    ';',
    '"',
    "'",
    '=',
    ' ',
    'x',
    '\0',
    '<!DOCTYPE',
  );
  fc.assert(
    fc.property(fc.array(piece), (pieces) => {
      try {
        readAll(`<a>${pieces.join('')}`);
      } catch (error) {
        assert.ok(error instanceof DlfsError);
      }
    }),
    { numRuns: 1000 },
  );
});
