/** What can end a settlement run, in the words of whoever asked for it. */
import { isChainSilent, isChainUnavailable } from "#infra";
import { DomainError } from "#kernel";
import { ForeignEpoch, RegistryMissing } from "./chain-state.ts";
import type { Action } from "./model.ts";
import { NonceMoved, NotMinedInTime } from "./sender.ts";
import { ActionRefused } from "./signed-transactions.ts";

/** The epoch is not committed before its files are there. */
export class PublishFailed extends Error {
  constructor(epoch: number, cause: unknown) {
    super(`epoch ${epoch} cannot be published: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
    });
    this.name = "PublishFailed";
  }
}

/** It said that the action is mined, and then that the registry does not have it: a lagging node, or a reorg just now. */
export class NodeIsBehind extends Error {
  constructor({ kind, epoch }: Action) {
    super(`the node shows the ${kind} of epoch ${epoch} as mined, and the registry without it`);
    this.name = "NodeIsBehind";
  }
}

/** No epoch may be closed now; what is written comes into the next one. */
export class HeldBack extends Error {
  constructor(why: string) {
    super(why);
    this.name = "HeldBack";
  }
}

/** Whether other actions can go on: this one alone could not be done. */
export function isOfOneAction(error: unknown): boolean {
  return error instanceof ActionRefused || error instanceof PublishFailed || error instanceof NonceMoved;
}

/** A run that may close has ended, and no epoch that goes to the chain holds this line. */
export function notClosed(line: number, heldBack: string | null): DomainError {
  if (heldBack !== null)
    return new DomainError("unavailable", `Not settled: ${heldBack}`, { retryAfterSeconds: 60 });
  // What held it back is over since, as where another instance released a veto that this run found.
  return new DomainError("unavailable", `Line ${line} is in no epoch yet; settle again`, {
    retryAfterSeconds: 10,
  });
}

/** What was in the way besides: nothing goes on before both are over. */
export function withReason(error: unknown, heldBack: string | null): unknown {
  if (!(error instanceof DomainError) || error.code !== "unavailable" || heldBack === null) return error;
  return new DomainError("unavailable", `${error.message}. Besides, no epoch is closed: ${heldBack}`, {
    ...{ cause: error.cause, details: error.details },
    retryAfterSeconds: 60,
  });
}

/** @returns the error itself where it is none of those that are expected */
export function explained(error: unknown): unknown {
  const unavailable = (message: string, retryAfterSeconds?: number) =>
    new DomainError("unavailable", message, {
      cause: error,
      ...(retryAfterSeconds !== undefined && { retryAfterSeconds }),
    });
  // A node that hangs keeps whoever asks again waiting each time.
  if (isChainUnavailable(error))
    return unavailable(
      "The chain does not answer; what is closed is sent when it does",
      isChainSilent(error) ? 60 : 10,
    );
  if (error instanceof NotMinedInTime || error instanceof NodeIsBehind)
    return unavailable(`${error.message}; it goes on by itself`, 30);
  if (error instanceof NonceMoved)
    return unavailable(`${error.message} again and again: does another program send with this key?`, 30);
  if (error instanceof PublishFailed) return unavailable(`${error.message}; it is tried again`, 30);
  if (needsPerson(error)) return unavailable(`Settlement has stopped: ${error.message}`, 60);
  return error;
}

/** Whether nothing goes on by itself. */
export function needsPerson(error: unknown): error is Error {
  return error instanceof ForeignEpoch || error instanceof RegistryMissing || error instanceof ActionRefused;
}
