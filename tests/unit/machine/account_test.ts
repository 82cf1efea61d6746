import assert from "node:assert/strict";
import { accountHome, accountName, isPrivateGroup } from "../../../lib/machine/account.ts";

const isRoot = Deno.build.os !== "windows" && Deno.uid() === 0;

Deno.test("accountHome() and accountName() tell what the user database knows", () => {
  assert.equal(typeof accountHome(), "string");
  assert.equal(typeof accountName(), "string");
});

Deno.test("isPrivateGroup() takes a group for the user's own if no other user is in it, and root's", async () => {
  const folder = await Deno.makeTempDir({ prefix: "tandem-groups-" });
  try {
    const [groups, users] = [`${folder}/group`, `${folder}/passwd`];
    await Deno.writeTextFile(groups, "ann:x:1000:\nbob:x:1001:bob,eve\nstaff:x:50:ann\nlone:x:60:\nsam:x:1003:\n");
    await Deno.writeTextFile(users, "ann:x:1000:1000::/:\nsam:x:1003:1003::/:\nold:x:9:1003::/:\n");
    const isOwn = (gid: number, name: string, uid: number) => isPrivateGroup(gid, { uid, name, groups, users });
    assert.deepEqual(await Promise.all([0, 65_534, 1000, 50, 60, 7].map((gid) => isOwn(gid, "ann", 1000))), [
      ...[true, true, true, false, false, false],
    ]);
    assert.equal(await isOwn(1001, "bob", 1001), false, "another member");
    assert.equal(await isOwn(1003, "sam", 1003), false, "another user's primary group");
    assert.equal(await isOwn(7007, "sam", 7007), true, "of a directory service");
    assert.equal(await isPrivateGroup(50, { uid: 50, name: "ann", groups: `${folder}/none`, users }), true);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});

Deno.test({
  name: "a user id without an account entry is unknown, and has its state where HOME says",
  ignore: !isRoot,
  fn: async () => {
    const folder = await Deno.makeTempDir({ prefix: "tandem-uid-" });
    try {
      // The runtime and the code where every user can read them.
      await Deno.copyFile(Deno.execPath(), `${folder}/deno`);
      for (const file of ["core/errors", "core/path", "machine/account", "machine/own_files", "session/state_folder"]) {
        await Deno.mkdir(`${folder}/lib/${file.replace(/\/.*/, "")}`, { recursive: true });
        await Deno.copyFile(new URL(`../../../lib/${file}.ts`, import.meta.url), `${folder}/lib/${file}.ts`);
      }
      await Deno.writeTextFile(`${folder}/main.ts`, PROGRAM);
      await new Deno.Command("chown", { args: ["-R", "54321", folder] }).output();
      const ran = await new Deno.Command(`${folder}/deno`, {
        args: ["run", "-q", "-A", "--no-check", `${folder}/main.ts`],
        clearEnv: true,
        env: { HOME: folder, DENO_DIR: `${folder}/cache`, DENO_NO_UPDATE_CHECK: "1" },
        cwd: folder,
        uid: 54321,
        gid: 54321,
      }).output();
      const [out, err] = [ran.stdout, ran.stderr].map((bytes) => new TextDecoder().decode(bytes));
      assert.equal(out, `undefined true ${folder}/.local/state/tandem 32\n`, err);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  },
});

const PROGRAM = `
import { accountHome, accountName } from "./lib/machine/account.ts";
import { openStateFolder } from "./lib/session/state_folder.ts";
const state = await openStateFolder({ env: (name) => Deno.env.get(name) });
const home = accountHome();
console.log(accountName(), home === undefined || home.startsWith("/"), state.folder, (await state.machineId()).length);
`;
