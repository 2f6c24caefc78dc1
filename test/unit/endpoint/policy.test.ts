/** What the endpoint's policies allow, and how refusals look. */

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { fullReadPolicy, readPolicy } from '../../../demo/endpoint/index.ts';
import type { RawRequest } from '../../support/s3/signed-request.ts';
import { xmlElement } from '../../support/s3/signed-request.ts';
import { BUCKET, Fixture, verdict } from './endpoint-fixture.ts';

const OBJECTS = { 'in/a': 'inside', 'in/b/c': 'deeper', 'out/d': 'outside' };

const BEYOND: readonly (readonly [name: string, request: RawRequest])[] = [
  ['HeadBucket', { path: `/${BUCKET}`, method: 'HEAD' }],
  ['GetBucketLocation', { path: `/${BUCKET}`, query: 'location' }],
  ['GetBucketVersioning', { path: `/${BUCKET}`, query: 'versioning' }],
  ['ListObjects of version 1', { path: `/${BUCKET}` }],
  ['ListObjectVersions', { path: `/${BUCKET}`, query: 'versions' }],
  ['ListBuckets', { path: '/' }],
  ['GetObjectVersion', { path: `/${BUCKET}/in/a`, query: 'versionId=null' }],
  ['GetObjectAcl', { path: `/${BUCKET}/in/a`, query: 'acl' }],
  ['GetObjectTagging', { path: `/${BUCKET}/in/a`, query: 'tagging' }],
  ['GetObjectAttributes', { path: `/${BUCKET}/in/a`, query: 'attributes' }],
  ['PutObject', { path: `/${BUCKET}/in/a`, method: 'PUT' }],
  ['DeleteObject', { path: `/${BUCKET}/in/a`, method: 'DELETE' }],
];

for (const [name, request] of BEYOND) {
  test(`a key that may list and read is refused ${name}`, async () => {
    await using fixture = await Fixture.start({ objects: OBJECTS });
    const response = await fixture.client.send(request);
    assert.equal(response.status, 403);
    if (request.method !== 'HEAD') assert.equal(xmlElement(response.body, 'Code'), 'AccessDenied');
  });
}

test('a key that may list and read below a prefix gets nothing beside it, not even that it exists', async () => {
  await using fixture = await Fixture.start({ objects: OBJECTS, policy: readPolicy('in/') });
  assert.equal(verdict(await fixture.list('prefix=in%2F')), '200');
  assert.equal(verdict(await fixture.list('prefix=in%2Fb%2F&delimiter=%2F')), '200');
  assert.equal(verdict(await fixture.list()), '403 AccessDenied');
  assert.equal(verdict(await fixture.list('prefix=in')), '403 AccessDenied');
  assert.equal(verdict(await fixture.list('prefix=out%2F')), '403 AccessDenied');
  assert.equal(verdict(await fixture.get('in/a')), '200');
  assert.equal(verdict(await fixture.get('out/d')), '403 AccessDenied');
  assert.equal(verdict(await fixture.get('out/nope')), '403 AccessDenied');
  assert.equal(verdict(await fixture.get('in/nope')), '404 NoSuchKey');
});

test('a missing key is 404, or 403 under a policy that does not tell, as in S3', async () => {
  await using telling = await Fixture.start({ objects: OBJECTS });
  const missing = await telling.get('nope');
  assert.equal(verdict(missing), '404 NoSuchKey');
  assert.equal(xmlElement(missing.body, 'Key'), 'nope');
  await using silent = await Fixture.start({ objects: OBJECTS, policy: readPolicy('', false) });
  assert.equal(verdict(await silent.get('nope')), '403 AccessDenied');
  assert.equal(verdict(await silent.get('in/a')), '200');
});

test('a bucket that does not exist is told', async () => {
  await using fixture = await Fixture.start();
  assert.equal(verdict(await fixture.client.send({ path: '/other', query: 'list-type=2' })), '404 NoSuchBucket');
  assert.equal(verdict(await fixture.client.send({ path: '/other/key' })), '404 NoSuchBucket');
});

test('a full read policy allows HeadBucket and GetBucketLocation, and writing nevertheless not', async () => {
  await using fixture = await Fixture.start({ objects: OBJECTS, policy: fullReadPolicy, region: 'us-east-1' });
  const head = await fixture.client.send({ path: `/${BUCKET}`, method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers['x-amz-bucket-region'], 'us-east-1');
  const location = await fixture.client.send({ path: `/${BUCKET}`, query: 'location' });
  assert.match(location.body.toString(), /<LocationConstraint [^>]*><\/LocationConstraint>/);
  assert.equal(verdict(await fixture.client.send({ path: `/${BUCKET}/x`, method: 'PUT' })), '403 AccessDenied');
});

test('a bucket whose requester pays wants to hear so', async () => {
  await using fixture = await Fixture.start({ objects: OBJECTS, requesterPays: true });
  const payer = { 'x-amz-request-payer': 'requester' };
  assert.equal(verdict(await fixture.get('in/a')), '403 AccessDenied');
  assert.equal(verdict(await fixture.list()), '403 AccessDenied');
  const paid = await fixture.get('in/a', payer);
  assert.equal(paid.status, 200);
  assert.equal(paid.headers['x-amz-request-charged'], 'requester');
  assert.equal(verdict(await fixture.list('', { headers: payer })), '200');
});

test('an object of an archive class is listed and headed but not read', async () => {
  await using fixture = await Fixture.start({
    objects: {
      cold: ['ice', { storageClass: 'GLACIER' }],
      deep: ['ice', { storageClass: 'DEEP_ARCHIVE' }],
      instant: ['ready', { storageClass: 'GLACIER_IR' }],
    },
  });
  for (const [key, storageClass] of [
    ['cold', 'GLACIER'],
    ['deep', 'DEEP_ARCHIVE'],
  ] as const) {
    const refused = await fixture.get(key);
    assert.equal(verdict(refused), '403 InvalidObjectState');
    assert.equal(xmlElement(refused.body, 'StorageClass'), storageClass);
    assert.equal(verdict(await fixture.get(key, { range: 'bytes=0-0' })), '403 InvalidObjectState');
    const head = await fixture.get(key, {}, { method: 'HEAD' });
    assert.equal(head.status, 200);
    assert.equal(head.headers['x-amz-storage-class'], storageClass);
    assert.equal(head.headers['content-length'], '3');
  }
  assert.equal((await fixture.get('instant')).body.toString(), 'ready');
  const listed = (await fixture.list()).body.toString();
  assert.deepEqual(
    [...listed.matchAll(/<StorageClass>(\w+)</g)].map(([, name]) => name),
    ['GLACIER', 'DEEP_ARCHIVE', 'GLACIER_IR'],
  );
});
