/**
 * A certificate authority and a server certificate signed by it, made on the spot by the openssl binary.
 *
 * For TLS on loopback: the authority's file is what a client is told to trust (`--ca-file`), or not told, to see it
 * refuse. Keys never leave the folder that the caller gives.
 */

import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

/** A server certificate with its authority. */
export interface Certificate {
  /** The authority's certificate in PEM, and the file it is in. */
  readonly ca: string;
  readonly caFile: string;
  /** The server's certificate and key in PEM, as S3Endpoint's `tls` takes them. */
  readonly cert: string;
  readonly key: string;
}

/** Names that loopback endpoints go by; the second one covers virtual-host style. */
const NAMES = ['DNS:localhost', 'DNS:*.localhost', 'IP:127.0.0.1', 'IP:::1'];

/** openssl's own configuration file differs between systems; this one holds all that is used. */
const CONFIG = `
[req]
distinguished_name = name
prompt = no
[name]
CN = dlfs loopback
[authority]
basicConstraints = critical, CA:TRUE
keyUsage = critical, keyCertSign
subjectKeyIdentifier = hash
[server]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = ${NAMES.join(', ')}
`;

const run = promisify(execFile);

/** P-256: made and used in well under a millisecond, where RSA takes seconds. */
const NEW_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes'];

/**
 * Makes a certificate in `folder` (which the caller owns and removes), valid for a day.
 * @throws where the openssl binary is missing or fails
 */
export async function makeCertificate(folder: string): Promise<Certificate> {
  const path = (name: string): string => join(folder, name);
  const config = path('openssl.cnf');
  await writeFile(config, CONFIG);
  const authority = ['-x509', '-days', '1', '-subj', '/CN=dlfs loopback authority', '-extensions', 'authority'];
  await run('openssl', [
    'req',
    '-config',
    config,
    ...authority,
    ...NEW_KEY,
    '-keyout',
    path('ca.key'),
    '-out',
    path('ca.crt'),
  ]);
  await run('openssl', [
    'req',
    '-config',
    config,
    '-new',
    ...NEW_KEY,
    '-keyout',
    path('server.key'),
    '-out',
    path('server.csr'),
  ]);
  const signing = ['-CA', path('ca.crt'), '-CAkey', path('ca.key'), '-set_serial', '2', '-days', '1'];
  const extensions = ['-extfile', config, '-extensions', 'server'];
  await run('openssl', [
    'x509',
    '-req',
    '-in',
    path('server.csr'),
    ...signing,
    ...extensions,
    '-out',
    path('server.crt'),
  ]);
  const [ca, cert, key] = await Promise.all(
    ['ca.crt', 'server.crt', 'server.key'].map((name) => readFile(path(name), 'utf8')),
  );
  return { ca: ca ?? '', caFile: path('ca.crt'), cert: cert ?? '', key: key ?? '' };
}
