import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { getCACertificates } from 'node:tls';
import { makeCertificate, type Certificate } from '../../../../demo/endpoint/index.ts';
import { DlfsError } from '../../../../src/base/errors.ts';
import { trustedAuthorities } from '../../../../src/source/s3/trust.ts';

let folder = '';
let certificate: Certificate;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), 'dlfs-trust-'));
  certificate = await makeCertificate(folder);
});
after(() => rmSync(folder, { recursive: true }));

test("an own authority is added to node's roots, and does not replace them", () => {
  const plain = trustedAuthorities({ caFile: null, caPem: null, written: 'options' }, {});
  const more = trustedAuthorities({ caFile: certificate.caFile, caPem: null, written: 'options' }, {});
  assert.ok(plain.length >= 1 && plain.length >= new Set(getCACertificates('default')).size - 1);
  assert.deepEqual(more.slice(0, -1), plain);
  assert.equal(more.at(-1), certificate.ca.trim());
});

test('SSL_CERT_FILE and AWS_CA_BUNDLE add theirs', () => {
  for (const name of ['SSL_CERT_FILE', 'AWS_CA_BUNDLE']) {
    assert.ok(
      trustedAuthorities({ caFile: null, caPem: null, written: 'options' }, { [name]: certificate.caFile }).includes(
        certificate.ca.trim(),
      ),
    );
  }
});

test('a file that is missing, empty or broken is refused by its name and the option', () => {
  const broken = join(folder, 'broken.pem');
  writeFileSync(broken, certificate.ca.replace(/\n[A-Za-z0-9+/]{10}/, '\nAAAAAAAAAA'));
  const empty = join(folder, 'empty.pem');
  writeFileSync(empty, 'hello');
  for (const path of [join(folder, 'missing.pem'), empty, broken, folder]) {
    assert.throws(
      () => trustedAuthorities({ caFile: path, caPem: null, written: 'options' }, {}),
      (error: unknown) =>
        error instanceof DlfsError &&
        error.code === 'invalid-argument' &&
        error.message.startsWith('--ca-file: ') &&
        error.message.includes(path),
    );
  }
  assert.throws(
    () => trustedAuthorities({ caFile: empty, caPem: null, written: 'manifest' }, {}),
    /^DlfsError: spec\.source\.s3\.caFile: /,
  );
  assert.throws(
    () => trustedAuthorities({ caFile: null, caPem: null, written: 'options' }, { AWS_CA_BUNDLE: empty }),
    /^DlfsError: AWS_CA_BUNDLE: /,
  );
});

test('authorities as text are added, and refused where one is broken', () => {
  const caPem = `${certificate.ca}\n`;
  assert.ok(trustedAuthorities({ caFile: null, caPem, written: 'options' }, {}).includes(certificate.ca.trim()));
  const broken = certificate.ca.replace(/\n[A-Za-z0-9+/]{10}/, '\nAAAAAAAAAA');
  assert.throws(
    () => trustedAuthorities({ caFile: null, caPem: broken, written: 'manifest' }, {}),
    /^DlfsError: spec\.source\.s3\.ca\.pem: /,
  );
});
