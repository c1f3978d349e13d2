/**
 * Stands before every npm script, so that a fresh clone runs with whatever Node
 * is there. Finds or fetches a Node that is new enough, installs the pinned
 * packages with it where that is not done yet, and then runs the TypeScript file
 * it was given: same arguments, same signals, same exit code.
 *
 * Plain JavaScript without a dependency, for Nodes as old as 16. What it prints
 * goes to standard error; standard output belongs to the program.
 */
import { spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const PINNED_NODE = "24.x";
const LOCK_POLL_MS = 200;
/** A lock whose holder cannot be asked (another machine's, on a shared disk) is taken over after this. */
const LOCK_STALE_MS = 60 * 60 * 1000;
const PARENT_POLL_MS = 500;
const CALLER_SETTING =
  /^npm_((lifecycle|package)_.*|command|execpath|node_execpath|config_(prefix|global|local_prefix|global_prefix|user_agent|npm_version|node_gyp|init_module|package|call|yes))$/i;

/** The packages need what these versions have: type stripping, and native parts that older npm leaves out. */
export function isNewEnough(version) {
  const [major, minor] = version.replace(/^v/, "").split(".").map(Number);
  if (major === 22) return minor >= 18;
  if (major === 24) return minor >= 11;
  return major >= 26;
}

/**
 * Runs a TypeScript file of this repository and ends with its exit code.
 * @param {string} file path below the repository
 * @param {string[]} args
 */
export async function run(file, args) {
  const node = await findNode();
  await installPackages(node);
  process.exitCode = await runChild(node, file, args);
}

async function findNode() {
  if (isNewEnough(process.version)) return process.execPath;
  const cached = cachedNode();
  if (versionOf(cached)) return cached;
  await withLock(path.join(cacheFolder(), "node.lock"), () => {
    if (versionOf(cached)) return;
    say(
      `this is Node ${process.version}, Anchorbook needs 22.18+, 24.11+ or 26+: fetching Node 24 through npm (once)`,
    );
    const folder = nodeFolder();
    const partial = `${folder}.partial`;
    fs.rmSync(partial, { recursive: true, force: true });
    fs.mkdirSync(partial, { recursive: true });
    fs.writeFileSync(path.join(partial, "package.json"), '{ "private": true }\n');
    npm(
      process.execPath,
      ["install", "--ignore-scripts", "--no-audit", "--no-fund", "--no-save"].concat(
        `${nodePackage()}@${PINNED_NODE}`,
      ),
      partial,
    );
    fs.rmSync(folder, { recursive: true, force: true });
    fs.renameSync(partial, folder);
  });
  if (!versionOf(cached))
    fail(
      `Node 24 could not be fetched for ${process.platform}-${process.arch}. Install Node 24 yourself and try again.`,
    );
  return cached;
}

function nodePackage() {
  const platform = process.platform === "win32" ? "win" : process.platform;
  return `node-${platform}-${process.arch}`;
}

function nodeFolder() {
  return path.join(cacheFolder(), "n24");
}

function cachedNode() {
  return path.join(
    nodeFolder(),
    "node_modules",
    nodePackage(),
    "bin",
    process.platform === "win32" ? "node.exe" : "node",
  );
}

function cacheFolder() {
  const base = process.env.XDG_CACHE_HOME || path.join(os.homedir(), ".cache");
  return path.join(base, "anchorbook");
}

function versionOf(node) {
  if (!fs.existsSync(node)) return undefined;
  const result = spawnSync(node, ["--version"], { encoding: "utf8" });
  return result.status === 0 && isNewEnough(result.stdout.trim()) ? result.stdout.trim() : undefined;
}

/** The stamp says for which lock file the packages in place are. */
async function installPackages(node) {
  const stamp = path.join(root, "node_modules", ".anchorbook-stamp");
  const lockText = fs.readFileSync(path.join(root, "package-lock.json"), "utf8");
  const wanted = `${sha256(lockText)} ${process.platform}-${process.arch}\n`;
  if (readText(stamp) === wanted) return;
  await withLock(path.join(cacheFolder(), `install-${sha256(root).slice(0, 16)}.lock`), () => {
    if (readText(stamp) === wanted) return;
    if (!isInstalled(JSON.parse(lockText))) {
      say("installing packages (npm ci) …");
      const started = Date.now();
      npm(node, ["ci", "--no-audit", "--no-fund"], root);
      say(`packages installed in ${((Date.now() - started) / 1000).toFixed(0)} s`);
    }
    fs.writeFileSync(stamp, wanted);
  });
}

/** Whether somebody has already installed what the lock file says, for instance with `npm install`. */
function isInstalled(lock) {
  if (!fs.existsSync(path.join(root, "node_modules", ".package-lock.json"))) return false;
  return Object.entries(lock.packages).every(([folder, entry]) => {
    if (folder === "" || entry.inBundle) return true;
    const manifest = readText(path.join(root, folder, "package.json"));
    if (manifest === undefined) return entry.optional === true && !isForThisSystem(entry);
    return JSON.parse(manifest).version === entry.version;
  });
}

/** Optional parts of a package that is itself optional may be missing; parts for this system may not. */
function isForThisSystem(entry) {
  const names = (list, name) =>
    list.includes(name) || (!list.includes(`!${name}`) && list.every((item) => item[0] === "!"));
  if (!entry.os && !entry.cpu && !entry.libc) return false;
  if (entry.os && !names(entry.os, process.platform)) return false;
  if (entry.cpu && !names(entry.cpu, process.arch)) return false;
  return !entry.libc || names(entry.libc, libc());
}

function libc() {
  return process.report.getReport().header.glibcVersionRuntime ? "glibc" : "musl";
}

function sha256(text) {
  return createHash("sha256").update(text).digest("hex");
}

/** Runs npm under `node`, with that Node first on the PATH so that install scripts find it too. */
function npm(node, args, cwd) {
  const cli = npmCli();
  const env = environmentFor(node);
  // what the npm that called us says of itself and its command would mislead this one; a person's settings stay
  for (const name of Object.keys(env)) if (CALLER_SETTING.test(name)) delete env[name];
  const command = cli ? [node, cli] : ["npm"];
  const result = spawnSync(command[0], command.slice(1).concat(args), {
    cwd,
    env,
    stdio: ["ignore", 2, 2],
    shell: !cli && process.platform === "win32",
  });
  if (result.status !== 0)
    fail(`npm ${args[0]} failed; see above. Once the cause is mended, run the same command again.`);
}

/** The JavaScript of npm itself: the one that called us, else the one beside this Node or on the PATH. */
function npmCli() {
  const candidates = [
    /npm-cli\.js$/.test(process.env.npm_execpath || "") ? process.env.npm_execpath : "",
    path.join(path.dirname(process.execPath), "..", "lib", "node_modules", "npm", "bin", "npm-cli.js"),
    path.join(path.dirname(process.execPath), "node_modules", "npm", "bin", "npm-cli.js"),
  ];
  for (const folder of (process.env.PATH || "").split(path.delimiter)) {
    try {
      candidates.push(fs.realpathSync(path.join(folder, "npm")));
    } catch {
      // not in this one
    }
  }
  return candidates.find((file) => file?.endsWith("npm-cli.js") && fs.existsSync(file));
}

function environmentFor(node) {
  const env = { ...process.env };
  env.PATH = [path.dirname(node), path.join(root, "node_modules", ".bin"), env.PATH || ""].join(
    path.delimiter,
  );
  env.NODE = node;
  // What was compiled once need not be again: a start takes a third of the processor time.
  env.NODE_COMPILE_CACHE = env.NODE_COMPILE_CACHE || path.join(cacheFolder(), "compiled");
  return env;
}

/**
 * Signals that reach only this process are passed on. A Ctrl-C reaches both, and
 * the child must not get it twice, since a second one means "at once". When npm
 * above us is killed, the child is asked to stop.
 */
function runChild(node, file, args) {
  return new Promise((resolve) => {
    const child = spawn(node, [path.join(root, file)].concat(args), {
      // the channel carries nothing: its end tells the child that this process was killed
      stdio: ["inherit", "inherit", "inherit", "ipc"],
      env: environmentFor(node),
    });
    const forward = (signal) => child.kill(signal);
    const keep = () => {};
    process.on("SIGTERM", forward);
    process.on("SIGHUP", forward);
    process.on("SIGINT", process.stdin.isTTY ? keep : forward);
    const parent = process.ppid;
    const watch = setInterval(() => {
      if (process.env.npm_lifecycle_event && process.ppid !== parent) child.kill("SIGTERM");
    }, PARENT_POLL_MS);
    child.on("error", (error) => fail(`${node} could not be started: ${error.message}`));
    child.on("exit", (code, signal) => {
      clearInterval(watch);
      resolve(code === null ? 128 + (os.constants.signals[signal] || 0) : code);
    });
  });
}

/** Two starts at once: the second waits for the first and then finds its work done. */
async function withLock(file, work) {
  fs.mkdirSync(path.dirname(file), { recursive: true });
  let told = false;
  while (!tryLock(file)) {
    if (!told) say(`another process is installing; waiting for it (${file})`);
    told = true;
    await new Promise((resolve) => setTimeout(resolve, LOCK_POLL_MS));
  }
  const release = () => fs.rmSync(file, { force: true });
  process.once("exit", release);
  try {
    work();
  } finally {
    process.removeListener("exit", release);
    release();
  }
}

function tryLock(file) {
  try {
    fs.writeFileSync(file, String(process.pid), { flag: "wx" });
    return true;
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
  }
  const holder = readText(file);
  if (isStale(file, holder)) removeStale(file, holder);
  return false;
}

function isStale(file, holder) {
  const age = Date.now() - (fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? Date.now());
  if (!Number(holder)) return age > 2000;
  try {
    process.kill(Number(holder), 0);
  } catch (error) {
    if (error.code === "ESRCH") return true;
  }
  return age > LOCK_STALE_MS;
}

/** Another one may have removed it and made its own meanwhile; that one is put back. */
function removeStale(file, holder) {
  const aside = `${file}.${process.pid}`;
  try {
    fs.renameSync(file, aside);
    if (readText(aside) !== holder) fs.linkSync(aside, file);
  } catch {
    // somebody else was quicker; the loop looks again
  }
  fs.rmSync(aside, { force: true });
}

function readText(file) {
  try {
    return fs.readFileSync(file, "utf8");
  } catch {
    return undefined;
  }
}

function say(text) {
  process.stderr.write(`anchorbook: ${text}\n`);
}

function fail(text) {
  say(text);
  process.exit(1);
}

/** False where another module imports this one. */
function isMain() {
  const script = process.argv[1] || "";
  return fs.existsSync(script) && import.meta.url === pathToFileURL(fs.realpathSync(script)).href;
}

if (isMain()) {
  const [file, ...args] = process.argv.slice(2);
  if (!file) fail("usage: node scripts/bootstrap.mjs FILE [arguments]");
  await run(file, args);
}
