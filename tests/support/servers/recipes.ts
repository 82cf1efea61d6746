import { join } from "node:path";
import type { Installed, Recipe } from "./install.ts";

/** The servers that tests know, by the name that TANDEM_REQUIRE and serverTest() use. */
export const recipes: Readonly<Record<string, Recipe>> = {
  sftp: { packages: ["openssh-server", "openssh-client"], probe: probeSshd },
  // It tells its version to the standard input, so all that is seen is that it starts.
  ftp: { packages: ["vsftpd"], probe: probeVersion("/usr/sbin/vsftpd", ["-v"], /^/) },
  proftpd: {
    packages: ["proftpd-core", "proftpd-mod-crypto"],
    probe: probeVersion("/usr/sbin/proftpd", ["--version"], /ProFTPD/),
  },
  pureftpd: {
    packages: ["pure-ftpd", "pure-ftpd-common"],
    probe: probeVersion("/usr/sbin/pure-ftpd", ["--help"], /pure-ftpd/i),
  },
  webdav: { packages: ["apache2"], probe: probeVersion("/usr/sbin/apache2", ["-v"], /Apache/) },
  svn: {
    packages: ["libapache2-mod-svn", "subversion", "apache2"],
    probe: (place) =>
      probeVersion("/usr/bin/svnadmin", ["--version"], /svnadmin/)(place) ??
        probeVersion("/usr/sbin/apache2", ["-v"], /Apache/)(place) ??
        probeFile("/usr/lib/apache2/modules/mod_dav_svn.so")(place),
  },
  nginx: {
    packages: ["nginx-light", "libnginx-mod-http-dav-ext"],
    probe: probeVersion("/usr/sbin/nginx", ["-v"], /nginx/),
  },
  lighttpd: {
    packages: ["lighttpd", "lighttpd-mod-webdav"],
    probe: probeVersion("/usr/sbin/lighttpd", ["-v"], /lighttpd/),
  },
  rclone: { packages: ["rclone"], probe: probeVersion("/usr/bin/rclone", ["version"], /rclone/) },
  dropbear: {
    packages: ["dropbear-bin", "openssh-sftp-server"],
    probe: probeVersion("/usr/sbin/dropbear", ["-V"], /Dropbear/),
  },
  tinyssh: { packages: ["tinysshd", "openssh-sftp-server"], probe: probeVersion("/usr/sbin/tinysshd", [], /tinysshd/) },
  greenend: { packages: ["gesftpserver"], probe: probeVersion("/usr/libexec/gesftpserver", ["--version"], /server/i) },
  asyncssh: { packages: ["python3", "python3-asyncssh"], probe: probePython("asyncssh") },
  paramiko: { packages: ["python3", "python3-paramiko"], probe: probePython("paramiko") },
  conch: {
    packages: ["python3", "python3-twisted", "python3-bcrypt", "python3-pyasn1", "python3-appdirs"],
    probe: probePython("twisted.conch.unix"),
  },
  pyftpdlib: { packages: ["python3", "python3-pyftpdlib", "python3-openssl"], probe: probePython("pyftpdlib") },
  inetutils: {
    packages: ["python3", "inetutils-ftpd"],
    probe: probeVersion("/usr/sbin/ftpd", ["--version"], /inetutils/),
  },
  swift: {
    packages: ["python3", "python3-swift"],
    probe: probePython("eventlet, paste.deploy, swift.common.middleware.s3api.s3api"),
  },
  "ftp-srv": npmRecipe("npm:ftp-srv@4.6.3"),
  "webdav-server": npmRecipe("npm:webdav-server@2.6.3"),
  s3rver: npmRecipe("npm:s3rver@3.7.1"),
  // Of the emulators of a whole cloud's tools, the one of Cloud Storage alone.
  "gcs-emulator": npmRecipe("npm:firebase-tools@15.34.2"),
  squid: { packages: ["squid"], probe: probeVersion("/usr/sbin/squid", ["-v"], /Squid Cache/) },
  tinyproxy: { packages: ["tinyproxy-bin"], probe: probeVersion("/usr/bin/tinyproxy", ["-v"], /tinyproxy/) },
  microsocks: { packages: ["microsocks"], probe: probeVersion("/usr/bin/microsocks", ["-h"], /SOCKS5/) },
  dante: { packages: ["dante-server"], probe: probeVersion("/usr/sbin/danted", ["-v"], /Dante/i) },
  s3: { packages: ["radosgw", "ceph-mon", "ceph-osd"], probe: probeCeph },
};

/** A probe: the program answers these words with a text of this kind (a program that lacks a library does not). `root`: another than the server's place. */
export function probeVersion(
  program: string,
  args: readonly string[],
  pattern: RegExp,
  root?: string,
): Recipe["probe"] {
  return (place) => {
    const { ran, text } = run(root === undefined ? place : { ...place, root }, program, args);
    return ran && pattern.test(text) ? undefined : firstLine(text);
  };
}

/** A server of npm's, which a program of the tests starts. */
function npmRecipe(npm: string): Recipe {
  return { packages: [], npm, probe: () => undefined };
}

/** Debian's Python can load a module. */
function probePython(module: string): Recipe["probe"] {
  return probeVersion("/usr/bin/python3", ["-c", `import ${module}; print("loaded")`], /^loaded$/m, "");
}

/** A probe: the file is there. */
function probeFile(path: string): Recipe["probe"] {
  return ({ root }) => {
    try {
      Deno.statSync(root + path);
      return undefined;
    } catch {
      return `${path} is missing`;
    }
  };
}

/** Whether sshd would start: with a host key, its folder for privilege separation and, for root, its own user. */
function probeSshd(place: Installed): string | undefined {
  const dir = Deno.makeTempDirSync({ prefix: "tandem-probe-" });
  try {
    const key = join(dir, "key");
    const made = run(place, "/usr/bin/ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-f", key]);
    if (!made.ran || made.text !== "") return firstLine(made.text);
    if (Deno.uid() === 0) Deno.mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
    const { ran, text } = run(place, "/usr/sbin/sshd", ["-t", "-f", "/dev/null", "-h", key]);
    return ran && text === "" ? undefined : firstLine(text);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

/** Every program of a cluster has to run; they look for their plugins in the system's own folders. */
function probeCeph(place: Installed): string | undefined {
  const programs = ["radosgw", "radosgw-admin", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "ceph"];
  const silent = programs.map((name) => probeVersion(`/usr/bin/${name}`, ["--version"], /ceph version/)(place));
  return place.root === "" ? silent.find((why) => why !== undefined) : "it runs from the system's folders alone";
}

/** What a program says; `ran` is false where it did not start at all, its libraries missing (exit code 127) or itself. */
function run(
  place: Installed,
  program: string,
  args: readonly string[],
): { readonly ran: boolean; readonly text: string } {
  const decoder = new TextDecoder();
  try {
    const output = new Deno.Command(place.root + program, { args: [...args], env: place.env, stdin: "null" })
      .outputSync();
    return { ran: output.code !== 127, text: decoder.decode(output.stdout) + decoder.decode(output.stderr) };
  } catch (error) {
    return { ran: false, text: error instanceof Error ? error.message : String(error) };
  }
}

function firstLine(text: string): string {
  return text.trim().split("\n").at(0) || "no answer";
}
