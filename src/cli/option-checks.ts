/** What several commands ask of the same option. Each throws an Error that says what is wrong with the usage. */
import { isAddress } from "#proof";

export function requireUrl(name: string, url: string | undefined): void {
  if (url !== undefined && !(/^https?:\/\//.test(url) && URL.canParse(url)))
    throw new Error(`${name} must be an http(s) URL`);
}

export function requireAddress(name: string, address: string | undefined): void {
  if (address !== undefined && !isAddress(address))
    throw new Error(`${name} must be an address: 0x and 40 hex digits with a right checksum, if any`);
}
