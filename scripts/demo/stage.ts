/** What every act of the demo works with. */
import type { AnchorbookCommand } from "./anchorbook-command.ts";
import type { Caller } from "./caller.ts";
import type { Story } from "./story.ts";

export interface Stage {
  readonly story: Story;
  /** Temporary; gone at the end. */
  readonly folder: string;
  /** The real API. */
  readonly api: string;
  readonly anchorbook: AnchorbookCommand;
  readonly operator: Caller;
  readonly nobody: Caller;
  user(id: string): Promise<Caller>;
}

/** `{ error }` of a problem document, or "" where it is none. */
export function errorOf(body: unknown): string {
  return typeof body === "object" && body !== null && "error" in body ? String(body.error) : "";
}

/** @throws Error for an answer that the story cannot go on with */
export function mustBeOk<T>(answer: { status: number; body: T }): T {
  if (answer.status < 200 || answer.status >= 300)
    throw new Error(`the API answered ${answer.status}: ${JSON.stringify(answer.body)}`);
  return answer.body;
}

export function grouped(value: number): string {
  return Math.round(value).toLocaleString("en-US");
}
