/**
 * Which certificate authorities vouch for an endpoint: the same list for both paths.
 *
 * Node's own defaults (its bundled Mozilla roots, plus NODE_EXTRA_CA_CERTS), the files that SSL_CERT_FILE and AWS_CA_BUNDLE
 * name, `--ca-file`, and a manifest's own. Additions only: naming a private authority does not shut out the public ones.
 *
 * Invariants:
 * 1. Each file is read once and each certificate in it parsed here, so that a bad file is refused by name before anything
 *    is mounted, and not by a handshake later.
 */
import { X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { getCACertificates } from 'node:tls';
import { DlfsError } from '../../base/errors.ts';
import type { SourceOptions } from '../../dataset/source-options.ts';
import type { Environment } from './proxy.ts';

/** Larger than any bundle (Mozilla's has 220 KB): what is larger is no bundle. */
const MAX_FILE = 8 * 1024 * 1024;

const CERTIFICATE = /-----BEGIN (?:TRUSTED )?CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END (?:TRUSTED )?CERTIFICATE-----/g;

/**
 * The trusted certificates as PEM.
 * @param source its file of authorities and its authorities as text, or null
 * @throws DlfsError `invalid-argument` that names the file or variable
 */
export function trustedAuthorities(
  { caFile, caPem }: Pick<SourceOptions, 'caFile' | 'caPem'>,
  environment: Environment,
): string[] {
  const files: readonly (readonly [string, string | null | undefined])[] = [
    ['SSL_CERT_FILE', environment['SSL_CERT_FILE']],
    ['AWS_CA_BUNDLE', environment['AWS_CA_BUNDLE']],
    ['--ca-file', caFile],
  ];
  const all = new Set(getCACertificates('default').map((pem) => pem.trim()));
  for (const [option, path] of files) {
    if (path === null || path === undefined || path === '') continue;
    for (const pem of readBundle(option, path)) all.add(pem.trim());
  }
  if (caPem !== null) for (const pem of bundleOf('ca.pem', "the manifest's text", caPem)) all.add(pem.trim());
  return [...all];
}

function readBundle(option: string, path: string): readonly string[] {
  let text: string;
  try {
    const bytes = readFileSync(path);
    if (bytes.byteLength > MAX_FILE)
      throw new DlfsError('invalid-argument', `${option}: ${path} is too large for certificates`);
    text = bytes.toString('latin1');
  } catch (cause) {
    if (cause instanceof DlfsError) throw cause;
    throw new DlfsError('invalid-argument', `${option}: ${path} cannot be read: ${DlfsError.from(cause).message}`, {
      cause,
    });
  }
  return bundleOf(option, path, text);
}

function bundleOf(option: string, path: string, text: string): readonly string[] {
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0)
    throw new DlfsError('invalid-argument', `${option}: ${path} holds no certificate in PEM form`);
  // A bundle of the system may hold one that this OpenSSL does not read; a file of the user's own may not.
  return found.filter((pem) => isReadable(pem, option, path));
}

function isReadable(pem: string, option: string, path: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch (cause) {
    if (option !== '--ca-file' && option !== 'ca.pem') return false;
    throw new DlfsError('invalid-argument', `${option}: ${path} holds a certificate that cannot be read`, { cause });
  }
}
