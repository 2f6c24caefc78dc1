import assert from 'node:assert/strict';
import { test } from 'node:test';
import { DlfsError } from '../../../../src/base/errors.ts';
import { proxyFor } from '../../../../src/source/s3/proxy.ts';

const via = (url: string, environment: Readonly<Record<string, string>>): string | null =>
  proxyFor(new URL(url), environment)?.url ?? null;

test('https goes by HTTPS_PROXY and http by HTTP_PROXY, lower case first', () => {
  const environment = { HTTPS_PROXY: 'http://s:1', HTTP_PROXY: 'http://p:2' };
  assert.equal(via('https://x', environment), 'http://s:1');
  assert.equal(via('http://x', environment), 'http://p:2');
  assert.equal(via('https://x', { ...environment, https_proxy: 'http://l:3' }), 'http://l:3');
  assert.equal(via('https://x', { ...environment, https_proxy: '' }), null);
  assert.equal(via('https://x', {}), null);
  assert.equal(via('https://x', { HTTPS_PROXY: 'bare:8080' }), 'http://bare:8080');
  assert.equal(via('https://x', { HTTPS_PROXY: 'http://portless' }), 'http://portless');
});

test("the proxy's credentials become its header and appear nowhere else", () => {
  const proxy = proxyFor(new URL('https://x'), { HTTPS_PROXY: 'http://me%40home:p%3Aw@proxy:3128' });
  assert.deepEqual(proxy, {
    host: 'proxy',
    port: 3128,
    url: 'http://proxy:3128',
    authorization: `Basic ${Buffer.from('me@home:p:w').toString('base64')}`,
  });
});

const exceptions: readonly (readonly [string, string, boolean])[] = [
  ['*', 'https://any.example', true],
  ['example.com', 'https://example.com', true],
  ['example.com', 'https://b.s3.example.com', true],
  ['.example.com', 'https://b.example.com', true],
  ['.example.com', 'https://example.com', true],
  ['*.example.com', 'https://b.example.com', true],
  ['example.com', 'https://notexample.com', false],
  ['EXAMPLE.com', 'https://b.Example.COM', true],
  ['example.com:8443', 'https://example.com:8443', true],
  ['example.com:8443', 'https://example.com', false],
  ['example.com:443', 'https://example.com', true],
  ['a.example, b.example c.example', 'https://c.example', true],
  ['10.0.0.0/8', 'https://10.1.2.3', true],
  ['10.0.0.0/8', 'https://11.1.2.3', false],
  ['10.0.0.0/99', 'https://10.1.2.3', false],
  ['127.0.0.1', 'http://127.0.0.1:9000', true],
  ['127.0.0.1:9001', 'http://127.0.0.1:9000', false],
  ['::1', 'http://[::1]:9000', true],
  ['[::1]:9000', 'http://[::1]:9000', true],
  ['fd00::/8', 'https://[fd12::1]', true],
  ['', 'https://x', false],
  [',, ', 'https://x', false],
];

for (const [noProxy, url, excepted] of exceptions) {
  test(`NO_PROXY "${noProxy}" ${excepted ? 'excepts' : 'does not except'} ${url}`, () => {
    const environment = { HTTPS_PROXY: 'http://p:1', HTTP_PROXY: 'http://p:1', NO_PROXY: noProxy };
    assert.equal(via(url, environment), excepted ? null : 'http://p:1');
  });
}

test('a proxy of another kind is refused by the name of its variable', () => {
  for (const value of ['https://p:1', 'socks5://p:1', 'http://', '::::']) {
    assert.throws(
      () => via('https://x', { HTTPS_PROXY: value }),
      (error: unknown) =>
        error instanceof DlfsError && error.code === 'invalid-argument' && error.message.startsWith('HTTPS_PROXY '),
    );
  }
});
