import assert from "node:assert/strict";
import { noStateFolder, SyncError } from "../../../lib/core/errors.ts";
import { foreignState } from "../../../lib/machine/own_files.ts";
import { openStateFolder, readSecretFile, stateFolderPath } from "../../../lib/session/state_folder.ts";

const isWindows = Deno.build.os === "windows";
function placeOn(os: string, variables: Readonly<Record<string, string>>, home?: string): string {
  return stateFolderPath({ os, env: (name) => variables[name], home: () => home });
}

async function inFolder(test: (folder: string) => Promise<void>): Promise<void> {
  const folder = await Deno.makeTempDir();
  try {
    await test(folder);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

function openAt(folder: string, options: { readonly readOnly?: boolean; readonly machine?: string } = {}) {
  return openStateFolder({
    env: (name) => name === "TANDEM_STATE" ? folder : undefined,
    machine: () => Promise.resolve(options.machine),
    readOnly: options.readOnly ?? false,
  });
}

const isKind = (kind: string, id?: string) => (error: unknown) =>
  error instanceof SyncError && error.kind === kind && error.facts.id === id;

Deno.test("stateFolder() follows each system's custom", () => {
  const windows = { LOCALAPPDATA: "C:\\Users\\me\\AppData\\Local" };
  assert.equal(placeOn("linux", { HOME: "/home/me" }), "/home/me/.local/state/tandem");
  assert.equal(placeOn("linux", { HOME: "/home/me", XDG_STATE_HOME: "/state" }), "/state/tandem");
  assert.equal(placeOn("freebsd", { HOME: "/home/me" }), "/home/me/.local/state/tandem");
  assert.equal(placeOn("darwin", { HOME: "/Users/me" }), "/Users/me/Library/Application Support/Tandem");
  assert.equal(placeOn("windows", windows), "C:\\Users\\me\\AppData\\Local\\Tandem");
  assert.equal(placeOn("windows", { USERPROFILE: "C:\\Users\\me" }), "C:\\Users\\me\\AppData\\Local\\Tandem");
});

Deno.test("stateFolder() obeys TANDEM_STATE before all else", () => {
  assert.equal(placeOn("linux", { TANDEM_STATE: "/s/t/", HOME: "/h", XDG_STATE_HOME: "/x" }), "/s/t");
  assert.equal(placeOn("windows", { TANDEM_STATE: "D:\\state", LOCALAPPDATA: "C:\\L" }), "D:\\state");
  assert.equal(placeOn("darwin", { TANDEM_STATE: "/s", HOME: "/h" }), "/s");
});

Deno.test("stateFolder() takes no relative TANDEM_STATE, and passes over a relative XDG_STATE_HOME", () => {
  assert.throws(() => placeOn("linux", { TANDEM_STATE: "state", HOME: "/h" }), isKind("badInput", noStateFolder));
  assert.equal(placeOn("linux", { XDG_STATE_HOME: "state", HOME: "/h" }), "/h/.local/state/tandem");
});

Deno.test("stateFolder() asks the system for the home that the environment lacks", () => {
  assert.equal(placeOn("linux", {}, "/root"), "/root/.local/state/tandem");
  assert.equal(placeOn("linux", { HOME: "" }, "/root"), "/root/.local/state/tandem");
  assert.throws(() => placeOn("linux", {}), isKind("badInput", noStateFolder));
});

Deno.test("stateFolder() asks the system last, so that a user without an account entry needs only HOME", () => {
  const home = (): string => assert.fail("the user database was asked");
  assert.equal(
    stateFolderPath({ os: "linux", env: (name) => name === "HOME" ? "/h" : undefined, home }),
    "/h/.local/state/tandem",
  );
});

/** What another user could use to decide what a run remembers. `parent/state` is the state folder. */
const foreignFolders: Readonly<Record<string, (parent: string) => Promise<void>>> = {
  "others may write to": (parent) => Deno.chmod(`${parent}/state`, 0o770),
  "is a link": async (parent) => {
    await Deno.rename(`${parent}/state`, `${parent}/else`);
    await Deno.symlink(`${parent}/else`, `${parent}/state`);
  },
  "lies where every user can exchange it": (parent) => Deno.chmod(parent, 0o777),
  "is a file": async (parent) => {
    await Deno.remove(`${parent}/state`, { recursive: true });
    await Deno.writeTextFile(`${parent}/state`, "");
  },
  ...(Deno.uid() === 0
    ? {
      "belongs to another user": (parent: string) => Deno.chown(`${parent}/state`, 12345, 12345),
      "lies where another user can exchange it": (parent: string) => Deno.chown(parent, 12345, 12345),
    }
    : {}),
};
for (const [what, change] of Object.entries(foreignFolders)) {
  Deno.test({
    name: `openState() refuses a folder that ${what}, also to look only`,
    ignore: isWindows,
    fn: () =>
      inFolder(async (folder) => {
        const parent = `${folder}/parent`;
        await (await openAt(`${parent}/state`)).sealingKey();
        await change(parent);
        for (const readOnly of [false, true]) {
          await assert.rejects(openAt(`${parent}/state`, { readOnly }), isKind("refused", foreignState));
        }
      }),
  });
}

Deno.test({
  name:
    "openState() takes a folder below one with a sticky bit, below a link of this user, and one that others may read",
  ignore: isWindows,
  fn: () =>
    inFolder(async (folder) => {
      await Deno.mkdir(`${folder}/shared`);
      await Deno.chmod(`${folder}/shared`, 0o1777);
      await Deno.symlink(`${folder}/shared`, `${folder}/link`);
      const key = await (await openAt(`${folder}/link/state`)).sealingKey();
      await Deno.chmod(`${folder}/shared/state`, 0o755);
      assert.deepEqual(await (await openAt(`${folder}/shared/state`)).sealingKey(), key);
    }),
});

Deno.test({
  name: "openState() refuses a way over a link of another user",
  ignore: isWindows || Deno.uid() !== 0,
  fn: () =>
    inFolder(async (folder) => {
      await Deno.mkdir(`${folder}/real`);
      await Deno.symlink(`${folder}/real`, `${folder}/link`);
      await new Deno.Command("chown", { args: ["-h", "12345", `${folder}/link`] }).output();
      await assert.rejects(openAt(`${folder}/link/state`), isKind("refused", foreignState));
    }),
});

for (const kind of ["a link", "a pipe"] as const) {
  Deno.test({
    name: `openState() refuses a key that is ${kind}, and does not wait for it`,
    ignore: isWindows,
    fn: () =>
      inFolder(async (folder) => {
        const state = await openAt(folder);
        await state.sealingKey();
        await Deno.rename(`${folder}/sealing-key`, `${folder}/other`);
        if (kind === "a link") await Deno.symlink(`${folder}/other`, `${folder}/sealing-key`);
        else await new Deno.Command("mkfifo", { args: ["-m", "600", `${folder}/sealing-key`] }).output();
        await assert.rejects(state.sealingKey(), isKind("refused", foreignState));
      }),
  });
}

Deno.test("mustBeWritable() leaves nothing behind", async () => {
  await inFolder(async (folder) => {
    await (await openAt(folder)).assertWritable();
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("openState() makes a folder and files that are the user's alone", async () => {
  await inFolder(async (folder) => {
    const state = await openAt(`${folder}/a/b`);
    await state.machineId();
    await state.sealingKey();
    const names = [...Deno.readDirSync(state.folder)].map((entry) => entry.name).sort();
    assert.deepEqual(names, ["machine-id", "sealing-key"]);
    if (isWindows) return;
    assert.equal((Deno.statSync(state.folder).mode ?? 0) & 0o777, 0o700);
    for (const name of names) assert.equal((Deno.statSync(`${state.folder}/${name}`).mode ?? 0) & 0o777, 0o600);
  });
});

Deno.test("openState() remembers machine and key", async () => {
  await inFolder(async (folder) => {
    const first = await openAt(folder);
    const again = await openAt(folder);
    assert.match(await first.machineId(), /^[0-9a-f]{32}$/);
    assert.equal(await again.machineId(), await first.machineId());
    assert.equal((await first.sealingKey()).length, 32);
    assert.deepEqual(await again.sealingKey(), await first.sealingKey());
  });
});

Deno.test("derivedKey() is equal from run to run, another for each purpose and machine, and not the sealing key", async () => {
  await inFolder(async (folder) => {
    const secret = async (purpose: string, machine: string) => {
      const key = await (await openAt(folder, { machine })).derivedKey(purpose);
      assert.equal(key.length, 32);
      return key.toHex();
    };
    const first = await secret("a", "one");
    assert.equal(await secret("a", "one"), first);
    const others = [await secret("b", "one"), await secret("a", "two")];
    const keys = [...Deno.readDirSync(folder)].map(({ name }) => Deno.readTextFileSync(`${folder}/${name}`).trim());
    assert.equal(new Set([first, ...others, ...keys]).size, 5);
  });
});

Deno.test("openState() gives one key to all who make it at once", async () => {
  await inFolder(async (folder) => {
    const keys = await Promise.all(Array.from({ length: 20 }, async () => await (await openAt(folder)).sealingKey()));
    assert.equal(new Set(keys.map((key) => key.toHex())).size, 1);
    assert.equal([...Deno.readDirSync(folder)].length, 1);
  });
});

Deno.test("openState() keeps machines apart that share a home folder", async () => {
  await inFolder(async (folder) => {
    const [here, there] = [await openAt(folder, { machine: "one" }), await openAt(folder, { machine: "two" })];
    assert.notEqual(await here.machineId(), await there.machineId());
    assert.notDeepEqual(await here.sealingKey(), await there.sealingKey());
    const names = [...Deno.readDirSync(folder)].map((entry) => entry.name);
    assert.equal(names.some((name) => name.includes("one")), false);
  });
});

Deno.test("openState() writes nothing when it is read-only", async () => {
  await inFolder(async (folder) => {
    const state = await openAt(`${folder}/none`, { readOnly: true });
    assert.match(await state.machineId(), /^[0-9a-f]{32}$/);
    assert.equal((await state.sealingKey()).length, 32);
    assert.deepEqual([...Deno.readDirSync(folder)], []);
  });
});

Deno.test("openState() reads what is there when it is read-only", async () => {
  await inFolder(async (folder) => {
    const id = await (await openAt(folder)).machineId();
    assert.equal(await (await openAt(folder, { readOnly: true })).machineId(), id);
  });
});

Deno.test({
  name: "openState() refuses a key that others can read",
  ignore: isWindows,
  fn: () =>
    inFolder(async (folder) => {
      const state = await openAt(folder);
      await state.sealingKey();
      await Deno.chmod(`${folder}/sealing-key`, 0o640);
      await assert.rejects(state.sealingKey(), isKind("refused", foreignState));
    }),
});

Deno.test({
  name: "openState() refuses a key that belongs to another user",
  ignore: isWindows || Deno.uid() !== 0,
  fn: () =>
    inFolder(async (folder) => {
      const state = await openAt(folder);
      await state.sealingKey();
      await Deno.chown(`${folder}/sealing-key`, 12345, 12345);
      await assert.rejects(state.sealingKey(), isKind("refused", foreignState));
    }),
});

for (const [what, text] of [["too long", "0".repeat(65)], ["no hex", "x".repeat(64)], ["too short", "00"]] as const) {
  Deno.test(`openState() refuses a damaged key: ${what}`, async () => {
    await inFolder(async (folder) => {
      Deno.writeTextFileSync(`${folder}/sealing-key`, text, { mode: 0o600 });
      await assert.rejects((await openAt(folder)).sealingKey(), isKind("refused"));
    });
  });
}

Deno.test("openState() waits for a key that is just being written", async () => {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/sealing-key`, "", { mode: 0o600 });
    const state = await openAt(folder);
    const reading = state.sealingKey();
    await new Promise((resolve) => setTimeout(resolve, 50));
    await Deno.writeTextFile(`${folder}/sealing-key`, `${"ab".repeat(32)}\n`);
    const key = await reading;
    assert.equal(key.toHex(), "ab".repeat(32));
  });
});

Deno.test("openState() says that there can be no folder, and how to get one", async () => {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/file`, "");
    await assert.rejects(
      openAt(`${folder}/file/state`),
      (error: SyncError) => isKind("badInput", noStateFolder)(error) && /TANDEM_STATE/.test(error.message),
    );
  });
});

Deno.test("readSecretFile() gives the first line without its end", async () => {
  await inFolder(async (folder) => {
    const texts = { a: "pass word\n", b: "pass word", c: "pass word\r\nmore\n", d: "\ufeffpass word\n" };
    for (const [name, text] of Object.entries(texts)) {
      Deno.writeTextFileSync(`${folder}/${name}`, text);
      assert.equal(await readSecretFile(`${folder}/${name}`), "pass word", name);
    }
  });
});

Deno.test("readSecretFile() takes no file that is missing, empty, a folder or no text", async () => {
  await inFolder(async (folder) => {
    Deno.writeTextFileSync(`${folder}/empty`, "\nsecret\n");
    Deno.writeFileSync(`${folder}/binary`, new Uint8Array([0xff, 0xfe, 0x41]));
    for (const name of ["none", "empty", "", "binary"]) {
      await assert.rejects(
        readSecretFile(`${folder}/${name}`),
        (error: SyncError) => isKind("badInput")(error) && !error.message.includes("secret\n"),
      );
    }
  });
});
