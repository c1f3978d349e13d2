/**
 * Where webhooks may go. Whoever can name a URL could otherwise have this server
 * ask its own neighbours (SSRF): a database's port, a metadata service, itself.
 * The address is looked at after the name was resolved and on every connection,
 * so that a name that points somewhere else the second time gains nothing.
 */
import { lookup as dnsLookup } from "node:dns";
import { BlockList, isIP, type LookupFunction } from "node:net";
import { DomainError } from "#kernel";

/** IANA's special-purpose registries: what is not an address of one host on the public Internet. */
const NOT_PUBLIC_V4 = [
  ...["0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12"],
  ...[
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.31.196.0/24",
    "192.52.193.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
  ],
  ...["192.175.48.0/24", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24", "224.0.0.0/4", "240.0.0.0/4"],
];
/** All but 2000::/3 is local, reserved, or carries an IPv4 address inside; so do the ranges in it named here. */
const GLOBAL_V6 = ["2000::/3"];
const NOT_PUBLIC_V6 = ["2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"];

const notPublicV4 = listOf(NOT_PUBLIC_V4, "ipv4");
const globalV6 = listOf(GLOBAL_V6, "ipv6");
const notPublicV6 = listOf(NOT_PUBLIC_V6, "ipv6");

/** @param address as `net.isIP` takes it, without brackets */
export function isPublicAddress(address: string): boolean {
  const family = isIP(address);
  if (family === 4) return !notPublicV4.check(address, "ipv4");
  return family === 6 && globalV6.check(address, "ipv6") && !notPublicV6.check(address, "ipv6");
}

/** The connection was not made, because the name leads to an address that webhooks may not reach. */
export class AddressRefused extends Error {
  readonly code = "ADDRESS_NOT_ALLOWED";
}

/** For `http.request`: resolves a name and refuses it where any of its addresses is not public. */
export const publicLookup: LookupFunction = (hostname, options, callback) => {
  dnsLookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, "", 0);
    if (addresses.length === 0 || addresses.some(({ address }) => !isPublicAddress(address)))
      return callback(new AddressRefused(), "", 0);
    if (options.all) return callback(null, addresses);
    const [first] = addresses;
    callback(null, first?.address ?? "", first?.family ?? 0);
  });
};

/** The host of a URL as a literal address; undefined for a name. */
export function literalAddress(url: URL): string | undefined {
  const host = url.hostname.replace(/^\[|\]$/g, "");
  return isIP(host) === 0 ? undefined : host;
}

/**
 * A URL that webhooks may be sent to, in its normal form.
 * @param allowPrivate plain HTTP and addresses of this network too
 * @throws DomainError `invalid_request` naming `url`
 */
export function checkedUrl(text: string, allowPrivate: boolean): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || (url.protocol !== "https:" && url.protocol !== "http:"))
    throw refusedUrl(`must be a URL that begins with https://${allowPrivate ? " or http://" : ""}`);
  if (url.username !== "" || url.password !== "") throw refusedUrl("must not contain a user or a password");
  if (url.hash !== "") throw refusedUrl("must not contain a fragment");
  if (allowPrivate) return url;
  if (url.protocol !== "https:") throw refusedUrl("must begin with https://");
  const literal = literalAddress(url);
  if ((literal !== undefined && !isPublicAddress(literal)) || /(^|\.)localhost\.?$/.test(url.hostname))
    throw refusedUrl("must be on a public address; WEBHOOK_PRIVATE_ADDRESSES=allow lifts this");
  return url;
}

function refusedUrl(reason: string): DomainError {
  return new DomainError("invalid_request", `url ${reason}`, { details: { member: "url" } });
}

function listOf(subnets: readonly string[], family: "ipv4" | "ipv6"): BlockList {
  const list = new BlockList();
  for (const subnet of subnets) {
    const [network = "", prefix = ""] = subnet.split("/");
    list.addSubnet(network, Number.parseInt(prefix, 10), family);
  }
  return list;
}
