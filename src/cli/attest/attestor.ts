/**
 * Signs epochs that an audit found to agree, each number once: what was signed is
 * on disk before anybody gets the signature, so that no crash and no second
 * process makes an attester sign two headers for one number, but where the first
 * was vetoed on the chain. The file has a digest, so that a number or hash that was
 * changed in it is never taken for what was signed.
 */
import { createHash } from "node:crypto";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Wallet } from "ethers";
import { ATTEST_TYPES, attestDomain, type DeploymentRecord } from "#infra";
import type { Hex } from "#proof";
import { writeWhole } from "./write-whole.ts";

export interface SignedEpoch {
  readonly epoch: string;
  readonly header_hash: Hex;
}

interface SignedFile {
  readonly chain_id: number;
  readonly registry: string;
  readonly attester: string;
  /** From the last final one on; older numbers are not signed again at all. */
  readonly signed: readonly SignedEpoch[];
  /** Every number up to this one is settled for good. */
  readonly settled: string;
}

const FORMAT = "anchorbook-attestations/2";
/** Without a digest: taken once, and written anew. */
const OLD_FORMAT = "anchorbook-attestations/1";

export class Refusal extends Error {}

export class Attestor {
  readonly #path: string;
  readonly #wallet: Wallet;
  readonly #record: DeploymentRecord;
  #signed: readonly SignedEpoch[];
  #settled: bigint;

  private constructor(path: string, wallet: Wallet, record: DeploymentRecord, file: SignedFile | null) {
    this.#path = path;
    this.#wallet = wallet;
    this.#record = record;
    this.#signed = file?.signed ?? [];
    this.#settled = BigInt(file?.settled ?? "0");
  }

  /** @throws Error where the folder has the signatures of another attester or book, or is damaged */
  static async open(folder: string, wallet: Wallet, record: DeploymentRecord): Promise<Attestor> {
    const path = join(folder, "attestations.json");
    const { file, isOld } = await readSigned(path);
    const same =
      file === null ||
      (file.chain_id === record.chain_id &&
        file.registry === record.registry.toLowerCase() &&
        file.attester === wallet.address.toLowerCase());
    if (!same)
      throw new Error(
        `${path} is of attester ${file.attester} for registry ${file.registry} on chain ${file.chain_id}: use another --state folder`,
      );
    const attestor = new Attestor(path, wallet, record, file);
    if (isOld) await attestor.#keep(attestor.#signed, attestor.#settled);
    return attestor;
  }

  get address(): Hex {
    return this.#wallet.address.toLowerCase() as Hex;
  }

  /**
   * The signature over a header that was found to agree.
   * @param vetoed whether a header hash was vetoed on the chain
   * @throws Refusal where another header of this number is signed already
   */
  async sign(epoch: bigint, headerHash: Hex, vetoed: (headerHash: Hex) => Promise<boolean>): Promise<string> {
    if (epoch <= this.#settled)
      throw new Refusal(`epoch ${epoch} is final already, and is not signed any more`);
    const others = this.#signed.filter((one) => one.epoch === `${epoch}` && one.header_hash !== headerHash);
    for (const { header_hash } of others)
      if (!(await vetoed(header_hash)))
        throw new Refusal(
          `epoch ${epoch} is signed already with the header ${header_hash}, which is not vetoed: ${headerHash} is not signed`,
        );
    if (!this.has(epoch, headerHash))
      await this.#keep([...this.#signed, { epoch: `${epoch}`, header_hash: headerHash }], this.#settled);
    const { chain_id, registry } = this.#record;
    const domain = attestDomain({ chainId: chain_id, registry });
    return this.#wallet.signTypedData(domain, ATTEST_TYPES, { headerHash });
  }

  has(epoch: bigint, headerHash: Hex): boolean {
    return this.#signed.some((one) => one.epoch === `${epoch}` && one.header_hash === headerHash);
  }

  /** Epochs up to this one are final: nobody needs their signatures, and none is given any more. */
  async settle(lastFinal: bigint): Promise<void> {
    if (lastFinal <= this.#settled) return;
    const signed = this.#signed.filter(({ epoch }) => BigInt(epoch) > lastFinal);
    await this.#keep(signed, lastFinal);
  }

  /** Where the disk does not take it, it is not known here either: who asks again must not find it kept. */
  async #keep(signed: readonly SignedEpoch[], settled: bigint): Promise<void> {
    const { chain_id, registry } = this.#record;
    const file: SignedFile = {
      ...{ chain_id, registry: registry.toLowerCase(), attester: this.address },
      ...{ signed, settled: `${settled}` },
    };
    await writeWhole(this.#path, textOf(file));
    this.#signed = signed;
    this.#settled = settled;
  }
}

/** As it stands on disk: the digest is over all that comes behind it. */
function textOf(file: SignedFile): string {
  const sha256 = createHash("sha256").update(JSON.stringify(file)).digest("hex");
  return `${JSON.stringify({ format: FORMAT, sha256, ...file }, null, 2)}\n`;
}

/** Null where there is none. @throws Error where it is not, to the byte, what was written */
async function readSigned(path: string): Promise<{ file: SignedFile | null; isOld: boolean }> {
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return { file: null, isOld: false };
    throw error;
  }
  try {
    const { format, sha256, ...file } = JSON.parse(text) as SignedFile & { format: string; sha256?: string };
    if (format === FORMAT && text === textOf(file)) return { file, isOld: false };
    if (format === OLD_FORMAT && sha256 === undefined && isWhole(file)) return { file, isOld: true };
  } catch {
    // Said below.
  }
  throw new Error(
    `${path} is damaged: what was signed is not known, so that nothing more is signed with this key. Bring back a copy of it, or remove it once every epoch that it may hold is final`,
  );
}

/** What can be seen without a digest. */
function isWhole({ signed, settled }: SignedFile): boolean {
  const isEpoch = ({ epoch, header_hash }: SignedEpoch) =>
    /^\d+$/.test(epoch) && /^0x[0-9a-f]{64}$/.test(header_hash);
  return /^\d+$/.test(settled) && signed.every(isEpoch);
}
