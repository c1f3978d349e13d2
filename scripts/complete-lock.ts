/**
 * Completes package-lock.json for systems other than this one. npm leaves an
 * optional package out of the lock where the registry it asked does not offer
 * it, and `npm ci` on another system then refuses the file as incomplete. Their
 * names and versions stand in the packages that want them; for which system one
 * is, its name says. Run it after each `npm install`; `--check` changes nothing
 * and fails where something is missing.
 */
import { readFileSync, writeFileSync } from "node:fs";

interface LockEntry {
  version?: string;
  optional?: boolean;
  os?: string[];
  cpu?: string[];
  libc?: string[];
  dependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

interface Lock {
  packages: Record<string, LockEntry>;
}

const LOCK_FILE = new URL("../package-lock.json", import.meta.url);
const NODE_MODULES = "node_modules/";
const SYSTEMS = [
  ...["aix", "android", "darwin", "freebsd", "linux", "netbsd", "openbsd", "openharmony", "sunos", "win32"],
];
const PROCESSORS: Readonly<Record<string, string>> = {
  ...{ x64: "x64", amd64: "x64", arm64: "arm64", aarch64: "arm64", ia32: "ia32", arm: "arm", ppc64: "ppc64" },
  ...{ riscv64: "riscv64", s390x: "s390x", loong64: "loong64", mips64el: "mips64el", wasm32: "wasm32" },
};

/** Entries that the lock lacks, by folder. */
function missingEntries(lock: Lock): [string, LockEntry][] {
  return Object.entries(lock.packages).flatMap(([folder, entry]) =>
    Object.entries(entry.optionalDependencies ?? {})
      .filter(([name]) => !isResolvable(lock, folder, name))
      .map(([name, version]): [string, LockEntry] => [siblingFolder(folder, name), describe(name, version)]),
  );
}

/** As Node does: in the package's own node_modules, then in each one above it. */
function isResolvable(lock: Lock, folder: string, name: string): boolean {
  for (let level = folder; ; level = level.slice(0, Math.max(0, level.lastIndexOf(`/${NODE_MODULES}`)))) {
    if (`${level === "" ? "" : `${level}/`}${NODE_MODULES}${name}` in lock.packages) return true;
    if (level === "") return false;
  }
}

function siblingFolder(folder: string, name: string): string {
  const end = folder.lastIndexOf(NODE_MODULES);
  return `${end < 0 ? "" : folder.slice(0, end)}${NODE_MODULES}${name}`;
}

/** @throws Error for a range or a name that does not say its system: such a one must be completed by hand */
function describe(name: string, version: string): LockEntry {
  const words = name.split(/[/@-]/);
  const system = words.find((word) => SYSTEMS.includes(word));
  const processor = words.map((word) => PROCESSORS[word]).find((word) => word !== undefined);
  if (!/^\d+\.\d+\.\d+(-[\w.]+)?$/.test(version) || !system || !processor)
    throw new Error(
      `${name}@${version} is missing in package-lock.json, and its name does not say for which system it is`,
    );
  const libc = /musl/.test(name) ? "musl" : /gnu/.test(name) && system === "linux" ? "glibc" : undefined;
  return { version, cpu: [processor], ...(libc && { libc: [libc] }), optional: true, os: [system] };
}

const text = readFileSync(LOCK_FILE, "utf8");
const lock: Lock = JSON.parse(text);
const missing = missingEntries(lock);
if (missing.length === 0) {
  console.log("package-lock.json is complete");
} else if (process.argv.includes("--check")) {
  console.error(
    `package-lock.json lacks ${missing.length} entries for other systems: node scripts/complete-lock.ts`,
  );
  for (const [folder] of missing) console.error(`  ${folder}`);
  process.exitCode = 1;
} else {
  const packages = Object.entries({ ...lock.packages, ...Object.fromEntries(missing) });
  packages.sort(([one], [other]) => one.localeCompare(other, "en"));
  writeFileSync(
    LOCK_FILE,
    `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`,
  );
  console.log(`added ${missing.length} entries to package-lock.json`);
}
