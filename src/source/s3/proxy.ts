/**
 * Which proxy a URL is reached through, by the environment's word.
 *
 * `https_proxy` decides for https, `http_proxy` for http, either in upper case too; `no_proxy` lists exceptions, divided by
 * commas or spaces: `*`, a host, a domain with or without its leading dot (its subdomains included), an address, a CIDR block,
 * each with or without a port. That is what curl, Go and the AWS command line agree on. One function decides for both
 * paths, so that a listing and a GET never take different ways.
 *
 * Invariants:
 * 1. The proxy's credentials appear in `authorization` alone; `url` is without them.
 */
import { BlockList, isIP } from 'node:net';
import { DlfsError } from '../../base/errors.ts';

/** The process environment, or a part of it. */
export type Environment = Readonly<Record<string, string | undefined>>;

/** A proxy to go through. */
export interface Proxy {
  readonly host: string;
  readonly port: number;
  /** For messages: `http://host:port`. */
  readonly url: string;
  /** Value of Proxy-Authorization; a secret. */
  readonly authorization: string | null;
}

/** Ports that URLs leave out. */
const DEFAULT_PORT: ReadonlyMap<string, number> = new Map([
  ['http:', 80],
  ['https:', 443],
]);

/** The port that a URL means. */
export function portOf(url: URL): number {
  return url.port === '' ? (DEFAULT_PORT.get(url.protocol) ?? 0) : Number(url.port);
}

/** The host of a URL as sockets want it: without the brackets of IPv6. */
export function hostOf(url: URL): string {
  return url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname;
}

/**
 * The proxy for a URL.
 * @returns null: go there directly
 * @throws DlfsError `invalid-argument` where the environment names something that is no HTTP proxy
 */
export function proxyFor(target: URL, environment: Environment): Proxy | null {
  const variable = target.protocol === 'https:' ? 'https_proxy' : 'http_proxy';
  const value = setting(environment, variable);
  if (value === '' || isExcepted(target, setting(environment, 'no_proxy'))) return null;
  const url = URL.parse(value.includes('://') ? value : `http://${value}`);
  if (url === null || url.hostname === '') throw bad(variable, 'is not the URL of a proxy: write http://host:port');
  if (url.protocol !== 'http:')
    throw bad(variable, `names a proxy by ${url.protocol}//, which dlfs does not speak: write http://host:port`);
  const [user, password] = [decoded(url.username), decoded(url.password)];
  return {
    host: hostOf(url),
    port: portOf(url),
    url: `http://${url.host}`,
    authorization:
      user === '' && password === '' ? null : `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`,
  };
}

function bad(variable: string, why: string): DlfsError {
  return new DlfsError('invalid-argument', `${variable.toUpperCase()} ${why}`);
}

/** Lower case wins, as with curl. */
function setting(environment: Environment, name: string): string {
  return (environment[name] ?? environment[name.toUpperCase()] ?? '').trim();
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function isExcepted(target: URL, exceptions: string): boolean {
  const host = hostOf(target).toLowerCase().replace(/\.$/, '');
  const port = portOf(target);
  return exceptions
    .toLowerCase()
    .split(/[\s,]+/)
    .some((entry) => entry !== '' && matches(entry, host, port));
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true;
  const [rawName, entryPort] = splitPort(entry);
  if (entryPort !== null && Number(entryPort) !== port) return false;
  const name = rawName.replace(/^\*?\./, '');
  if (name === '') return false;
  if (isIP(host) !== 0) return matchesAddress(name, host);
  return host === name || host.endsWith(`.${name}`);
}

/** `host`, `host:port`, `[v6]`, `[v6]:port`; more than one colon without brackets is an IPv6 address. */
function splitPort(entry: string): readonly [string, string | null] {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry);
  if (bracketed !== null) return [bracketed[1] ?? '', bracketed[2] ?? null];
  const colon = entry.indexOf(':');
  return colon < 0 || colon !== entry.lastIndexOf(':')
    ? [entry, null]
    : [entry.slice(0, colon), entry.slice(colon + 1)];
}

function matchesAddress(name: string, host: string): boolean {
  const [network = '', length] = name.split('/', 2);
  const family = isIP(network);
  if (family === 0 || family !== isIP(host)) return false;
  const type = family === 6 ? 'ipv6' : 'ipv4';
  const bits = length === undefined ? (family === 6 ? 128 : 32) : Number(length);
  if (!(Number.isInteger(bits) && bits >= 0 && bits <= (family === 6 ? 128 : 32))) return false;
  const list = new BlockList();
  list.addSubnet(network, bits, type);
  return list.check(host, type);
}
