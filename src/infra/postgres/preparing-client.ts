/**
 * A client that prepares every statement with parameters under a name of its
 * text, so that it is planned once a connection and not once a request: the
 * access view took 1.8 ms to plan and 0.3 ms to run. For pools of reads whose
 * statements are a fixed set of texts.
 */
import { createHash } from "node:crypto";
import { Client, type ClientConfig } from "pg";

const names = new Map<string, string>();
/** Far more than the product has; beyond it a text is not from a file, and stays unprepared. */
const MAX_NAMES = 1_000;

function nameOf(text: string): string | undefined {
  const known = names.get(text);
  if (known !== undefined || names.size >= MAX_NAMES) return known;
  const name = `s${createHash("sha256").update(text).digest("hex").slice(0, 24)}`;
  names.set(text, name);
  return name;
}

export class PreparingClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    const send = this.query.bind(this) as (...args: unknown[]) => unknown;
    this.query = ((...args: unknown[]) => {
      const [text, values, ...rest] = args;
      if (typeof text !== "string" || !Array.isArray(values) || values.length === 0) return send(...args);
      return send({ name: nameOf(text), text, values }, ...rest);
    }) as typeof this.query;
  }
}
