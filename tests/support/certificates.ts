import { createHash, X509Certificate } from "node:crypto";
import { join } from "node:path";

/** A certificate and its key in PEM. */
export interface TestCertificate {
  readonly cert: string;
  readonly key: string;
}

/** What a certificate says. `from` and `to`: "20200101000000Z"; a few days around now by default. */
export interface CertificateFacts {
  readonly subject?: string;
  /** "DNS:a.test,IP:127.0.0.1"; none when it is left out. */
  readonly names?: string;
  readonly from?: string;
  readonly to?: string;
}

/** An authority of a test, and the certificates it signs. */
export interface TestAuthority extends AsyncDisposable {
  readonly cert: string;
  sign(facts: CertificateFacts): Promise<TestCertificate>;
  /** A certificate that vouches for itself. */
  selfSigned(facts: CertificateFacts): Promise<TestCertificate>;
}

/** Whether openssl is missing: certificates cannot be made then. */
export const lacksOpenssl = await new Deno.Command("openssl", { args: ["version"], stdout: "null" }).output()
  .then(({ success }) => !success, () => true);

/** Makes an authority with openssl. */
export async function makeAuthority(): Promise<TestAuthority> {
  await using stack = new AsyncDisposableStack();
  const dir = await Deno.makeTempDir({ prefix: "tandem-authority-" });
  stack.defer(() => Deno.remove(dir, { recursive: true }));
  await Deno.writeTextFile(join(dir, "ca.cnf"), CONFIG);
  await Deno.writeTextFile(join(dir, "index.txt"), "");
  const openssl = async (...args: string[]) => {
    const { success, stderr } = await new Deno.Command("openssl", { args, cwd: dir, stdin: "null" }).output();
    if (!success) throw new Error(`openssl ${args.join(" ")}: ${new TextDecoder().decode(stderr)}`);
  };
  const making = (name: string) => ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", name];
  await openssl("req", "-x509", ...making("ca.key"), "-out", "ca.pem", "-days", "3", "-subj", "/CN=test authority");
  const read = async (name: string) => await Deno.readTextFile(join(dir, name));
  const named = (names: string | undefined) => names === undefined ? [] : ["-addext", `subjectAltName=${names}`];
  let count = 0;
  const life = stack.move();
  return {
    cert: await read("ca.pem"),
    async sign({ subject = "/CN=test", names, from = time(-1), to = time(2) }) {
      const name = `leaf${++count}`;
      const asked = ["-out", `${name}.csr`, "-subj", subject, ...named(names)];
      await openssl("req", ...making(`${name}.key`), ...asked);
      const signed = ["-in", `${name}.csr`, "-out", `${name}.pem`, "-startdate", from, "-enddate", to, "-notext"];
      await openssl("ca", "-batch", "-config", "ca.cnf", ...signed);
      return { cert: await read(`${name}.pem`), key: await read(`${name}.key`) };
    },
    async selfSigned({ subject = "/CN=test", names }) {
      const name = `leaf${++count}`;
      const made = ["-out", `${name}.pem`, "-subj", subject, "-days", "2", ...named(names)];
      await openssl("req", "-x509", ...making(`${name}.key`), ...made, "-addext", "basicConstraints=critical,CA:FALSE");
      return { cert: await read(`${name}.pem`), key: await read(`${name}.key`) };
    },
    [Symbol.asyncDispose]: () => life.disposeAsync(),
  };
}

/** The fingerprint of a certificate in the forms in which tools show it. */
export function fingerprintsOf({ cert }: TestCertificate) {
  const { raw } = new X509Certificate(cert);
  const sha256 = createHash("sha256").update(raw);
  const hex = sha256.copy().digest("hex");
  const base64 = sha256.digest("base64");
  const sha1 = createHash("sha1").update(raw).digest("hex");
  return { hex, pairs: hex.replace(/..(?=.)/g, "$&:"), base64: base64.replace("=", ""), padded: base64, sha1 };
}

/** So many days from now, as openssl writes times. */
function time(days: number): string {
  return new Date(Date.now() + days * 86_400_000).toISOString().replace(/[-:T]|\.\d+/g, "");
}

const CONFIG = `
[ca]
default_ca = test
[test]
dir = .
database = index.txt
new_certs_dir = .
certificate = ca.pem
private_key = ca.key
rand_serial = yes
unique_subject = no
default_md = sha256
policy = any
copy_extensions = copy
x509_extensions = leaf
[any]
commonName = optional
[leaf]
basicConstraints = CA:FALSE
`;
