import assert from "node:assert/strict";
import { tandem } from "../../support/tandem.ts";

/** A command line that is wrong, and what its one message has to hold. */
type Row = readonly [words: readonly string[], ...mustHold: readonly string[]];

const target = "sftp://deploy@127.0.0.1:1/var/www";
const rows: readonly Row[] = [
  [[], "Sync-Path"],
  [["Sync-Pth"], "Sync-Path", "CommandNotFound"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Delte"], "-Delte", "-Delete", "NamedParameterNotFound"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "--delte"], "delte", "NamedParameterNotFound"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Sk"], "-SkipNew", "-SkipModified", "AmbiguousParameter"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Rem"], "-Remove", "AmbiguousParameter"],
  [["Sync-Path", "./site", target], "-Mode", "Local", "Remote", "Both", "MissingMandatoryParameter"],
  [["Sync-Path", "./site", "-Mode", "Remote"], "sftp://", "MissingMandatoryParameter"],
  [["Sync-Path", "./site", target, "-Mode"], "-Mode", "MissingArgument"],
  [
    ["Sync-Path", "./site", target, "-Mode", "Sideways"],
    "Sideways",
    "Local",
    "Remote",
    "Both",
    "CannotConvertArgument",
  ],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Remove:"], "-Remove", "MissingArgument"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Remove:maybe"], "maybe", "CannotConvertArgument"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Remove", "-Remove"], "-Remove", "ParameterAlreadyBound"],
  [["Sync-Path", "./site", target, "-Mode", "Both", "-Mirror"], "-Mirror", "CannotMirrorBoth"],
  [["Sync-Path", "./site", target, "-Mode", "Both", "-Criteria", "None"], "None"],
  [["Sync-Path", "./site", target, "-Mode", "Both", "-Conflict", "Smallest"], "Smallest", "Smaller"],
  [["Sync-Path", "./site", target, "-Mode", "Both", "-SshClient", "Putty"], "Putty", "Auto", "System", "BuiltIn"],
  [["Sync-Path", "./site", target, "-Mode", "Both", "-Links", "Follow"], "-Links Keep", "CannotFollowInBoth"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-AllowLinksOutside"], "-Links Follow"],
  [["Sync-Path", "./site", target, "-Mode", "Both", "-InPlace"], "-InPlace", "CannotKeepInPlace"],
  [["Sync-Path", "./site", target, "-Mode", "Upload", "-Mirror:$false"], "-Mode Remote"],
  [["Sync-Path", "Remote", "./site", target], "-Mode Remote"],
  [["Sync-Path", "./missing", target, "-Mode", "Remote"], "missing", "does not exist"],
  [["Sync-Path", "./file", target, "-Mode", "Remote"], "file", "folder"],
  [["Sync-Path", target, "./site", "-Mode", "Remote"], "local folder first"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-MaxRemove", "-1"], "-MaxRemove", "CannotConvertArgument"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-MaxRemove", "50%%"], "50%%", "CannotConvertArgument"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Timeout", "0"], "-Timeout", "CannotConvertArgument"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Proxy", "ftp://p:1"], "-Proxy", "socks5h://", "none"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Proxy", "http://a b:1"], "-Proxy", "http://host:port"],
  [["Sync-Path", "./site", target, "-Mode", "Remote", "-Connections", "0"], "-Connections", "CannotConvertArgument"],
  [["Sync-Path", "./site", "/var/www", "-Mode", "Remote", "-Confirm"], "sftp://"],
  [["-OutputFormat", "Yaml", "Get-Command"], "Yaml", "JsonLines"],
  [["-Command", "New-Session $nobody"], "$nobody"],
  [["-Command", "New-Session 'sftp://h"], "line 1"],
  [["New-Session", "-Credential", "System.Management.Automation.PSCredential"], "-Credential"],
  [["New-Session", "-HostName", "h", "-PortNumber", "70000"], "70000", "CannotConvertArgument"],
  [["New-Session", target, "-Password", "a", "-PasswordFile", "b"], "-PasswordFile"],
  // Addresses, each form that is refused.
  [["New-Session", "web1"], "sftp://"],
  [["New-Session", "sfpt://web1/"], "sfpt", "sftp"],
  [["New-Session", "sftp:web1"], "sftp://host"],
  [["New-Session", "sftp://"], "host"],
  [["New-Session", "sftp://u@h:99999/"], "port"],
  [["New-Session", "sftp://h:abc"], "port"],
  [["New-Session", "sftp://u@h/a/../b"], ".."],
  [["New-Session", "sftp://u@h/a/./b"], '"."'],
  [["New-Session", "sftp://u@h/100%"], "%25"],
  [["New-Session", "sftp://u@h/%ZZ"], "%25"],
  [["New-Session", "sftp://u@h/a%2Fb"], "%2F"],
  [["New-Session", "sftp://u@h/a%00b"], "%00"],
  [["New-Session", "sftp://me@work@h/"], "%40"],
  [["New-Session", "sftp://u;x-name=1@h/"], "x-name"],
  [["New-Session", "sftp://u;fingerprint=nonsense@h/"], "fingerprint"],
  [["New-Session", "sftp://[::1/"], "]"],
  [["New-Session", "ftp://127.0.0.1:1/", "-FtpEncoding", "cp437"], "cp437", "latin1"],
  [["New-Session", "ftp://127.0.0.1:1/", "-FtpMode", "Sideways"], "Sideways", "Passive", "Auto"],
  [["New-Session", "sftp://h", "-AcceptAltered"], "-AcceptAltered belongs to Webdav"],
  [["Sync-Path", "./site", "deploy@web1:/var/www", "-Mode", "Remote"], "sftp://deploy@web1/var/www"],
  [["Sync-Path", "./site", "backup:photos", "-Mode", "Remote"], "sftp://backup/photos"],
];

for (const [words, ...mustHold] of rows) {
  Deno.test(`tandem ${words.join(" ")} is wrong usage, said in three lines`, async () => {
    const folder = await Deno.makeTempDir();
    try {
      await Deno.mkdir(`${folder}/site`);
      await Deno.writeTextFile(`${folder}/file`, "a file");
      const { code, stdout, stderr } = await tandem(words, { cwd: folder, home: folder });
      assert.equal(code, 2, stderr + stdout);
      assert.ok(stderr.trim().split("\n").length <= 3, stderr);
      assert.ok(new TextEncoder().encode(stderr).length <= 600, stderr);
      assert.doesNotMatch(stderr, /\bat .*\.ts:|Uncaught/);
      for (const part of mustHold) assert.ok((stderr + stdout).includes(part), `${part} is missing: ${stderr}`);
      assert.deepEqual([...Deno.readDirSync(folder)].map((entry) => entry.name).sort(), ["file", "site"]);
    } finally {
      await Deno.remove(folder, { recursive: true });
    }
  });
}
