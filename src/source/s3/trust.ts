/**
 * Which certificate authorities vouch for an endpoint: the same list for both paths.
 *
 * Node's own defaults (its bundled Mozilla roots, plus NODE_EXTRA_CA_CERTS), the files that SSL_CERT_FILE and AWS_CA_BUNDLE
 * name, `--ca-file` or a manifest's `caFile`, and a manifest's own text. Additions only: naming a private authority does not shut out the public ones.
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
import { SOURCE_WORDS } from '../../dataset/source-words.ts';
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
  { caFile, caPem, written }: Pick<SourceOptions, 'caFile' | 'caPem' | 'written'>,
  environment: Environment,
): string[] {
  const words = SOURCE_WORDS[written];
  const files: readonly Bundle[] = [
    { option: 'SSL_CERT_FILE', path: environment['SSL_CERT_FILE'] ?? '', isOwn: false },
    { option: 'AWS_CA_BUNDLE', path: environment['AWS_CA_BUNDLE'] ?? '', isOwn: false },
    { option: words.caFile, path: caFile ?? '', isOwn: true },
  ];
  const all = new Set(getCACertificates('default').map((pem) => pem.trim()));
  for (const file of files) if (file.path !== '') for (const pem of readBundle(file)) all.add(pem.trim());
  const given = { option: words.caPem, path: "the manifest's text", isOwn: true };
  if (caPem !== null) for (const pem of bundleOf(given, caPem)) all.add(pem.trim());
  return [...all];
}

/** Authorities, and who named them. */
interface Bundle {
  readonly option: string;
  readonly path: string;
  /** Named for this source, not for the whole machine. */
  readonly isOwn: boolean;
}

function readBundle(bundle: Bundle): readonly string[] {
  const { option, path } = bundle;
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
  return bundleOf(bundle, text);
}

function bundleOf(bundle: Bundle, text: string): readonly string[] {
  const { option, path } = bundle;
  const found = text.match(CERTIFICATE) ?? [];
  if (found.length === 0)
    throw new DlfsError('invalid-argument', `${option}: ${path} holds no certificate in PEM form`);
  // A bundle of the system may hold one that this OpenSSL does not read; a file of the user's own may not.
  return found.filter((pem) => isReadable(pem, bundle));
}

function isReadable(pem: string, { option, path, isOwn }: Bundle): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0;
  } catch (cause) {
    if (!isOwn) return false;
    throw new DlfsError('invalid-argument', `${option}: ${path} holds a certificate that cannot be read`, { cause });
  }
}
