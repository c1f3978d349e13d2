/** What several commands ask of the same option. Each throws an Error that says what is wrong with the usage. */
import { isAddress } from "#proof";

export function requireUrl(name: string, url: string | undefined): void {
  if (url !== undefined && !/^https?:\/\//.test(url)) throw new Error(`${name} must be an http(s) URL`);
}

export function requireAddress(name: string, address: string | undefined): void {
  if (address !== undefined && !isAddress(address))
    throw new Error(`${name} must be an address: 0x and 40 hex digits with a right checksum, if any`);
}

/** What parseArgs would take for an option: a number below zero where no option wants a value. */
export function refuseNegative(args: readonly string[], refusal: (text: string) => string): void {
  const text = args.find((arg, place) => /^-\.?\d/.test(arg) && !args[place - 1]?.startsWith("--"));
  if (text !== undefined) throw new Error(refusal(text));
}
