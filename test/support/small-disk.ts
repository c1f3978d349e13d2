/**
 * A data folder on a disk of its own that is really small: a tmpfs of a given
 * size, mounted in a mount namespace that ends with the server that runs in it.
 * Needs to be root, or a system that allows user namespaces.
 */
import { execFileSync } from "node:child_process";
import { closeSync, openSync, rmSync, statfsSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const UNSHARE = [
  "unshare",
  ...(process.getuid?.() === 0 ? [] : ["--user", "--map-root-user"]),
  "--mount",
  "--",
];
const MOUNT_AND_RUN =
  'size=$1; folder=$2; shift 2; mount -t tmpfs -o "size=$size,mode=700" tmpfs "$folder" && exec "$@"';
const MIB = 2 ** 20;

/** A command that mounts the disk over the folder and runs what is appended to it there. */
export function onDiskOf(mib: number): (folder: string) => readonly string[] {
  return (folder) => [...UNSHARE, "sh", "-c", MOUNT_AND_RUN, "small-disk", `${mib}m`, folder];
}

/** Whether this system lets us; in CI it must. */
export function canMount(): boolean {
  const [program = "", ...args] = [...onDiskOf(1)(tmpdir()), "true"];
  try {
    execFileSync(program, args, { stdio: "ignore" });
    return true;
  } catch (cause) {
    if (process.env.CI)
      throw new Error("this CI lets no test mount a small disk; run it as root or allow user namespaces", {
        cause,
      });
    return false;
  }
}

/** Seen from outside the namespace of the process. */
export class Disk {
  readonly #folder: string;

  constructor(pid: number, folder: string) {
    this.#folder = join(`/proc/${pid}/root`, folder);
  }

  path(...parts: readonly string[]): string {
    return join(this.#folder, ...parts);
  }

  get freeBytes(): number {
    const { bavail, bsize } = statfsSync(this.#folder);
    return bavail * bsize;
  }

  /** Fills it until so much is left; 0 leaves not a byte. */
  fill(leaveMib: number): void {
    const file = openSync(this.path("ballast"), "a");
    try {
      for (let piece = MIB; piece >= 1; ) {
        const room = this.freeBytes - leaveMib * MIB;
        if (leaveMib > 0 && room <= 0) return;
        try {
          writeSync(file, Buffer.alloc(leaveMib > 0 ? Math.min(piece, room) : piece, 1));
        } catch (error) {
          if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
          piece = Math.floor(piece / 2);
        }
      }
    } finally {
      closeSync(file);
    }
  }

  /** Gives back what `fill` took. */
  free(): void {
    rmSync(this.path("ballast"));
  }
}
