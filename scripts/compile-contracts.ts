/**
 * Compiles `contracts/` with the npm package `solc` and writes
 * `contracts/compiled.json`: ABI and creation bytecode of every deployable
 * contract. The file is committed, so that deploying needs no compiler.
 *
 *   node scripts/compile-contracts.ts           writes the file
 *   node scripts/compile-contracts.ts --check   exit 1 where the file differs from the sources
 *   with --sizes it also prints how many bytes each contract has on the chain
 *
 * A contract that no chain would take (EIP-170) is an error.
 */
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { SOLC_VERSION, solidityOptimization } from "./solidity-settings.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const CONTRACTS = join(ROOT, "contracts");
const OUTPUT = join(CONTRACTS, "compiled.json");
const DEPLOYABLE = [
  "TST",
  "SettlementRegistry",
  "SettlementVault",
  "P2PAgreementEscrow",
  "AccessTierStaking",
  "EntityComputeReserve",
];
/** EIP-170. */
const CODE_LIMIT_BYTES = 24_576;

interface Compiler {
  version(): string;
  compile(input: string, callbacks: { import(path: string): { contents: string } }): string;
}
interface CompilerOutput {
  errors?: { severity: string; formattedMessage: string; sourceLocation?: { file: string } }[];
  contracts: Record<string, Record<string, CompiledContract>>;
}
interface CompiledContract {
  abi: unknown[];
  evm: { bytecode: { object: string }; deployedBytecode: { object: string } };
}

const require = createRequire(import.meta.url);

function sources(): Record<string, { content: string }> {
  const files = readdirSync(CONTRACTS, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".sol") && !entry.name.endsWith(".t.sol"))
    .map((entry) => join(entry.parentPath, entry.name));
  return Object.fromEntries(
    files.sort().map((file) => [relative(ROOT, file), { content: readFileSync(file, "utf8") }]),
  );
}

function compile(): CompilerOutput {
  const solc = require("solc") as Compiler;
  if (!solc.version().startsWith(`${SOLC_VERSION}+`))
    throw new Error(`solc ${solc.version()} is installed, ${SOLC_VERSION} is wanted`);
  const input = {
    language: "Solidity",
    sources: sources(),
    settings: {
      ...solidityOptimization,
      outputSelection: { "*": { "*": ["abi", "evm.bytecode.object", "evm.deployedBytecode.object"] } },
    },
  };
  const readPackage = (path: string) => ({ contents: readFileSync(require.resolve(path), "utf8") });
  const output = JSON.parse(solc.compile(JSON.stringify(input), { import: readPackage })) as CompilerOutput;
  // Warnings in our own sources stop the build as errors do; those inside packages are not ours to answer.
  const complaints = (output.errors ?? []).filter(
    ({ severity, sourceLocation }) => severity === "error" || sourceLocation?.file.startsWith("contracts/"),
  );
  if (complaints.length > 0)
    throw new Error(complaints.map(({ formattedMessage }) => formattedMessage).join("\n"));
  return output;
}

function compiledJson(): string {
  const { contracts } = compile();
  const entries = DEPLOYABLE.map((name) => {
    const contract = contracts[`contracts/${name}.sol`]?.[name];
    if (!contract) throw new Error(`contracts/${name}.sol holds no contract ${name}`);
    const bytes = contract.evm.deployedBytecode.object.length / 2;
    if (bytes >= CODE_LIMIT_BYTES)
      throw new Error(`${name} is ${bytes} bytes, and a chain takes less than ${CODE_LIMIT_BYTES}`);
    if (process.argv.includes("--sizes")) console.log(`${name} ${bytes}`);
    return [name, { abi: contract.abi, bytecode: `0x${contract.evm.bytecode.object}` }] as const;
  });
  return `${JSON.stringify(Object.fromEntries(entries), null, 1)}\n`;
}

const fresh = compiledJson();
if (process.argv.includes("--check")) {
  if (readFileSync(OUTPUT, "utf8") !== fresh) {
    console.error(
      "contracts/compiled.json does not match the sources: run node scripts/compile-contracts.ts",
    );
    process.exitCode = 1;
  }
} else {
  writeFileSync(OUTPUT, fresh);
}
