/**
 * How far withdrawals have come, and what a claim needs. Nothing of that is
 * stored: which epoch holds a withdrawal's line says whether it is final, and how
 * much of the account was claimed says whether it is paid, since claims are
 * cumulative and pay withdrawals in their order.
 */
import { claimCalldata, type DeploymentRecord } from "#infra";
import { DomainError, formatAmount } from "#kernel";
import { type Hex, type ProofDocument, toChecksumAddress } from "#proof";
import type { LineSettlement, Settlement } from "#settlement";
import { type WithdrawalAnswer, type WithdrawalState, withdrawalAnswer } from "./answers.ts";
import type { ReadWithdrawal, WalletReads } from "./reads.ts";

/** What its wallet, or anyone for it, sends to be paid. */
export interface ClaimAnswer {
  readonly chain_id: number;
  readonly vault: string;
  readonly epoch: number;
  readonly wallet: string;
  /** What the chain would pay now, as far as is known: all that is final and not claimed. */
  readonly claimable: string;
  /** `claim(epoch, leaf, siblings)`: by anyone while the payouts are the newest final ones, by the wallet 1,024 final epochs long. */
  readonly claim: Hex;
  /** Path of the proof. */
  readonly proof: string;
}

export interface ClaimableWithdrawal extends WithdrawalAnswer {
  readonly claim: ClaimAnswer | null;
}

type SettlementReads = Pick<Settlement, "record" | "epochsOfLines" | "newestFinal" | "proof">;

export class Withdrawals {
  readonly #settlement: SettlementReads;
  readonly #reads: WalletReads;
  readonly #asset: string;

  constructor(asset: string, settlement: SettlementReads, reads: WalletReads) {
    this.#asset = asset;
    this.#settlement = settlement;
    this.#reads = reads;
  }

  /** @param caller null sees everyone's. @throws DomainError `not_found`, `forbidden` */
  async one(id: string, caller: string | null): Promise<ClaimableWithdrawal> {
    const found = await this.#reads.withdrawal(id);
    if (found?.asset !== this.#asset) throw new DomainError("not_found", `There is no withdrawal ${id}`);
    if (caller !== null && caller !== found.userId)
      throw new DomainError("forbidden", "The withdrawal belongs to another user");
    const line = (await this.#settlement.epochsOfLines([found.seq])).get(found.seq);
    const answer = withdrawalAnswer(found, found.scale, stateOf(found, line));
    return { ...answer, claim: answer.status === "final" ? await this.#claimOf(found) : null };
  }

  async list(
    userId: string,
    below: number | null,
    limit: number,
  ): Promise<{ readonly place: number; readonly answer: WithdrawalAnswer }[]> {
    const found = await this.#reads.withdrawals(userId, this.#asset, below, limit);
    const lines = await this.#settlement.epochsOfLines(found.map(({ seq }) => seq));
    return found.map((one) => ({
      place: one.place,
      answer: withdrawalAnswer(one, one.scale, stateOf(one, lines.get(one.seq))),
    }));
  }

  async #claimOf(found: ReadWithdrawal): Promise<ClaimAnswer | null> {
    const { record } = this.#settlement;
    const epoch = await this.#settlement.newestFinal();
    if (!record || epoch === null) return null;
    const position = { accountId: found.account, userId: found.userId, keyParts: [found.userId] };
    const proof = await this.#settlement.proof({ section: "payouts", position, epoch, withOpening: false });
    return claimAnswer(record, found, proof);
  }
}

function claimAnswer(record: DeploymentRecord, found: ReadWithdrawal, proof: ProofDocument): ClaimAnswer {
  const { leaf, siblings, header } = proof;
  return {
    chain_id: record.chain_id,
    vault: record.custodians.payouts,
    epoch: Number.parseInt(`${header.epoch}`, 10),
    wallet: toChecksumAddress(leaf.owner),
    claimable: formatAmount(leaf.amount - found.claimed, found.scale),
    claim: claimCalldata(header.epoch, leaf, siblings),
    proof: `/api/v1/proofs/payouts/${found.id}?asset=${found.asset}&epoch=${header.epoch}`,
  };
}

function stateOf(found: ReadWithdrawal, line: LineSettlement | undefined): WithdrawalState {
  const { epoch = null, txHash = null, status = "pending" } = line ?? {};
  return { status: found.claimed >= found.total ? "claimed" : status, epoch, txHash };
}
