/**
 * Who a position may belong to, decided from the journal alone: holds each line
 * that changes an owner, announces or cancels a change against the rules of
 * docs/wallets.md. It is a state machine without I/O; the signatures that have
 * to be checked come out of it, and what only the chain knows goes in as `facts`.
 * It keeps one small record for each user with a wallet and one for each wallet,
 * and nothing of what wallets cancel on the chain, which anybody may.
 */
import { type Hex, ZERO_ADDRESS } from "./bytes.ts";
import { FormatError } from "./format-error.ts";
import type { PositionLine } from "./journal-line.ts";
import { ReplayError } from "./replay-error.ts";
import { cancelDigest, type LinkMessage, linkDigest, type WalletBook } from "./wallet-message.ts";
import {
  type CancelStatement,
  type EntryStatement,
  type LinkStatement,
  parseStatement,
  type ReferenceStatement,
  type WalletStatement,
} from "./wallet-statement.ts";

/** How long an announced change stands open to the old wallet's objection. */
export const WALLET_DELAY_SECONDS = 14n * 86_400n;

/** What the journal does not say. Times are those of blocks, Unix seconds. */
export interface WalletFacts {
  /** When the first epoch that holds the line was committed; null where none was. */
  anchoredAt(seq: bigint): bigint | null;
  /** Whose entry (`EntryMade`) the chain line of that place, earlier in the journal, tells of; null where there is none. */
  depositorOf(txHash: Hex, logIndex: bigint): Hex | null;
}

/** A signature to be checked: `block` 0 by recovering the key, else by asking the wallet's contract (EIP-1271). */
export interface SignatureCheck {
  readonly seq: bigint;
  readonly wallet: Hex;
  readonly digest: Hex;
  readonly signature: Hex;
  readonly block: bigint;
}

/**
 * An announced change that completes. To be shown: the epoch that holds the line was committed at `due` or later, and every
 * `WalletCancelled` of `previous` for `user` in a block from before `due` has its line in the journal before this one.
 */
export interface CompletedChange {
  readonly seq: bigint;
  readonly user: Hex;
  /** Who could object. */
  readonly previous: Hex;
  /** Unix seconds. */
  readonly due: bigint;
}

/** What the line does not show by itself. */
export type WalletCheck = SignatureCheck | CompletedChange;

interface Announced {
  readonly number: bigint;
  readonly wallet: Hex;
  readonly time: bigint;
  readonly seq: bigint;
}

interface UserLinks {
  /** The last number used. */
  readonly number: bigint;
  readonly wallet: Hex;
  /** The number by which `wallet` was linked. */
  readonly linkedBy: bigint;
  readonly announced: Announced | null;
}

/** Plain JSON, for whoever keeps it between two runs. */
export interface WalletRulesJson {
  readonly users: readonly (readonly string[])[];
  readonly wallets: readonly (readonly [wallet: string, user: string])[];
}

const NO_CHECKS: readonly WalletCheck[] = [];

export class WalletRules {
  readonly #book: WalletBook & { readonly asset: string };
  readonly #facts: WalletFacts;
  readonly #users = new Map<Hex, UserLinks>();
  /** Whose a wallet is, for ever. */
  readonly #wallets = new Map<Hex, Hex>();

  /** @param book lines of other assets are let pass */
  constructor(book: WalletBook & { readonly asset: string }, facts: WalletFacts) {
    this.#book = book;
    this.#facts = facts;
  }

  /** The user's key, where a wallet was ever announced or linked for one. */
  userOf(wallet: Hex): Hex | null {
    return this.#wallets.get(wallet) ?? null;
  }

  /** The wallet linked for a user's key. */
  walletOf(user: Hex): Hex | null {
    return this.#users.get(user)?.wallet ?? null;
  }

  /** To be told of each `WalletCancelled` when the journal gets to its line: it ends what is announced then, whenever it happened. */
  cancelled(key: Hex, wallet: Hex): void {
    const known = this.#users.get(key);
    if (known?.announced && known.wallet === wallet) this.#users.set(key, { ...known, announced: null });
  }

  /**
   * @param before the owner in the account's newest line before; zero where there is none
   * @returns what has to be checked for the line to stand
   * @throws ReplayError where it cannot, whatever the signatures are
   */
  apply(line: PositionLine, before: Hex): readonly WalletCheck[] {
    if (line.asset !== this.#book.asset) return NO_CHECKS;
    if (line.owner === before && !line.signatures?.length) return NO_CHECKS;
    const step = new Step(line, before);
    const [first] = step.statements;
    if (line.owner === before) {
      if (first?.kind === "link") return this.#announce(step, step.only(first));
      if (first?.kind === "cancel") return this.#cancel(step, step.only(first));
      throw step.refused("has statements that change nothing");
    }
    if (line.owner === ZERO_ADDRESS) throw step.refused("takes its owner away");
    switch (first?.kind) {
      case "link":
        return this.#link(step, first);
      case "reference":
        return this.#carry(step, step.only(first));
      case "entry":
        return this.#enter(step, step.only(first));
      default:
        throw step.refused(
          `gives account ${line.account} the owner ${line.owner} without a statement for it`,
        );
    }
  }

  /** The first link of a user, or a change that both wallets sign. */
  #link(step: Step, first: LinkStatement): readonly SignatureCheck[] {
    const { line, before } = step;
    const { message } = first;
    this.#requireNext(step, message);
    step.must(message.wallet === line.owner, "links another wallet than it names");
    step.must(message.previous === before, "replaces another wallet than the owner before");
    const signers = message.previous === ZERO_ADDRESS ? ["wallet"] : ["wallet", "previous"];
    const links = step.statements.filter((statement) => statement.kind === "link");
    step.must(
      links.length === step.statements.length &&
        links.map((link) => link.signer).join() === signers.join() &&
        links.every((link) => sameMessage(link.message, message)),
      `needs one signature each of ${signers.join(" and ")}, of one message`,
    );
    const { user, number, wallet } = message;
    this.#users.set(user, { number, wallet, linkedBy: number, announced: null });
    this.#wallets.set(wallet, user);
    return links.map((link) => this.#check(step, link));
  }

  #announce(step: Step, link: LinkStatement): readonly SignatureCheck[] {
    const { line } = step;
    const { message } = link;
    this.#requireNext(step, message);
    step.must(link.signer === "wallet", "announces a wallet that did not sign");
    step.must(line.owner !== ZERO_ADDRESS, "announces a change where no wallet is linked");
    step.must(message.previous === line.owner, "announces a change from another wallet than the owner");
    const { user, number, wallet } = message;
    const known = this.#known(step, user);
    this.#users.set(user, {
      ...known,
      number,
      announced: { number, wallet, time: line.time, seq: line.seq },
    });
    this.#wallets.set(wallet, user);
    return [this.#check(step, link)];
  }

  #cancel(step: Step, cancel: CancelStatement): readonly SignatureCheck[] {
    const { message, signature, block } = cancel;
    step.requireUser(message.user);
    const known = this.#known(step, message.user);
    const { announced } = known;
    step.must(
      announced?.number === message.number && announced.wallet === message.wallet,
      "cancels a change that is not announced",
    );
    step.must(message.previous === known.wallet, "is cancelled by another wallet than the linked one");
    this.#users.set(message.user, { ...known, announced: null });
    const digest = cancelDigest(this.#book, message);
    return [{ seq: step.line.seq, wallet: message.previous, digest, signature, block }];
  }

  /** A position gets the wallet of a link that the journal has; in the user's own line that completes an announced one. */
  #carry(step: Step, { user, number }: ReferenceStatement): readonly WalletCheck[] {
    const { line, before } = step;
    const known = this.#known(step, user);
    if (line.section === "balances" || line.section === "payouts") step.must(line.key === user, OTHER_USER);
    step.must(
      before === ZERO_ADDRESS || this.#wallets.get(before) === user,
      "takes a position from another user's wallet",
    );
    const { announced } = known;
    if (announced && announced.number === number && known.linkedBy !== number)
      return [this.#complete(step, user, known, announced)];
    step.must(
      known.linkedBy === number && known.wallet === line.owner,
      `refers to link ${number}, which is not the user's present one to that wallet, nor announced any more`,
    );
    return NO_CHECKS;
  }

  #complete(step: Step, user: Hex, known: UserLinks, announced: Announced): CompletedChange {
    const { line, before } = step;
    step.requireUser(user);
    step.must(announced.wallet === line.owner, "completes a change to another wallet");
    step.must(before === known.wallet, "completes a change from another wallet than the linked one");
    const anchored = this.#facts.anchoredAt(announced.seq);
    if (anchored === null) throw step.refused("completes a change whose announcement no epoch holds");
    let due = announced.time + WALLET_DELAY_SECONDS;
    if (anchored > announced.time) due = anchored + WALLET_DELAY_SECONDS;
    step.must(line.time >= due, `completes a change before ${due}, 14 days after its announcement`);
    const { number, wallet } = announced;
    this.#users.set(user, { ...known, wallet, linkedBy: number, announced: null });
    return { seq: line.seq, user, previous: known.wallet, due };
  }

  /** Who brought tokens in on-chain without being linked owns what they became. */
  #enter(step: Step, { txHash, logIndex }: EntryStatement): readonly WalletCheck[] {
    const { line, before } = step;
    step.must(before === ZERO_ADDRESS, "takes a position that has an owner by an entry");
    step.must(
      line.section === "balances" || line.section === "payouts",
      "is of a section that no entry of an unlinked wallet has",
    );
    const depositor = this.#facts.depositorOf(txHash, logIndex);
    step.must(depositor === line.owner, `is not of who made the entry in ${txHash}`);
    return NO_CHECKS;
  }

  #requireNext(step: Step, message: LinkMessage): void {
    const { user, wallet, previous, number, deadline } = message;
    step.requireUser(user);
    const known = this.#users.get(user);
    step.must(number === (known?.number ?? 0n) + 1n, `has number ${number} out of its turn`);
    step.must(previous === (known?.wallet ?? ZERO_ADDRESS), "replaces another wallet than the linked one");
    step.must(step.line.time <= deadline, "brings a signature after its deadline");
    step.must(wallet !== ZERO_ADDRESS && wallet !== previous, "links no other wallet");
    const owner = this.#wallets.get(wallet);
    step.must(owner === undefined || owner === user, "links a wallet that is another user's");
  }

  #known(step: Step, user: Hex): UserLinks {
    const known = this.#users.get(user);
    if (!known) throw step.refused("is of a user who has linked no wallet");
    return known;
  }

  #check(step: Step, { message, signer, signature, block }: LinkStatement): SignatureCheck {
    const digest = linkDigest(this.#book, message);
    return { seq: step.line.seq, wallet: message[signer], digest, signature, block };
  }

  toJson(): WalletRulesJson {
    return {
      users: [...this.#users].map(([user, { number, wallet, linkedBy, announced }]) => [
        ...[user, `${number}`, wallet, `${linkedBy}`],
        ...(announced
          ? [`${announced.number}`, announced.wallet, `${announced.time}`, `${announced.seq}`]
          : []),
      ]),
      wallets: [...this.#wallets],
    };
  }

  /** Goes on where `toJson` stopped. */
  restore(json: WalletRulesJson): this {
    for (const [user, number, wallet, linkedBy, ...rest] of json.users) {
      const [announcedNumber, announcedWallet, time, seq] = rest;
      this.#users.set(user as Hex, {
        number: BigInt(number ?? ""),
        wallet: wallet as Hex,
        linkedBy: BigInt(linkedBy ?? ""),
        announced:
          announcedNumber === undefined
            ? null
            : {
                number: BigInt(announcedNumber),
                wallet: announcedWallet as Hex,
                time: BigInt(time ?? ""),
                seq: BigInt(seq ?? ""),
              },
      });
    }
    for (const [wallet, user] of json.wallets) this.#wallets.set(wallet as Hex, user as Hex);
    return this;
  }
}

const OTHER_USER = "is of another user than its statement";

/** One line under examination. */
class Step {
  readonly line: PositionLine;
  readonly before: Hex;
  readonly statements: readonly WalletStatement[];

  constructor(line: PositionLine, before: Hex) {
    this.line = line;
    this.before = before;
    this.statements = (line.signatures ?? []).map((hex) => this.#parse(hex));
  }

  #parse(hex: Hex): WalletStatement {
    try {
      return parseStatement(hex);
    } catch (error) {
      if (error instanceof FormatError) throw this.refused(`has a statement that ${error.message}`);
      throw error;
    }
  }

  only<T extends WalletStatement>(statement: T): T {
    this.must(this.statements.length === 1, "has more statements than it may");
    return statement;
  }

  /** Signatures stand in the line of the user's own position in `balances` alone. */
  requireUser(user: Hex): void {
    this.must(this.line.section === "balances" && this.line.key === user, OTHER_USER);
  }

  must(holds: boolean, reason: string): void {
    if (!holds) throw this.refused(reason);
  }

  refused(reason: string): ReplayError {
    return new ReplayError(this.line.seq, reason);
  }
}

function sameMessage(left: LinkMessage, right: LinkMessage): boolean {
  return (
    left.user === right.user &&
    left.wallet === right.wallet &&
    left.previous === right.previous &&
    left.number === right.number &&
    left.deadline === right.deadline
  );
}
