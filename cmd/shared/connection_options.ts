import type { LoginName, ProgramOptions, SecretText } from "./program_options.ts";

// Written by `deno task options` from the parameter tables; a test compares the two.

/** The address of a server and the login: parameters of New-Session, Sync-Path and Compare-Path. */
export interface ConnectionOptions extends ProgramOptions {
  /** The server, instead of an address. */
  readonly hostName?: string;
  /** The server's port; the protocol's own by default. */
  readonly portNumber?: number;
  /** The user that logs in. */
  readonly userName?: string;
  /** The protocol of -HostName; Sftp by default. */
  readonly protocol?: "File" | "Sftp" | "Scp" | "Ftp" | "Webdav" | "Gcs" | "S3" | "Spaces" | "R2";
  /** User name and password: an object of Get-Credential, or user:password. */
  readonly credential?: LoginName;
  /**
   * The password. It shows in the list of processes: -PasswordFile or TANDEM_PASSWORD (TANDEM_PASSWORD_WEB1 for the
   * host web1 alone) do not.
   */
  readonly password?: SecretText;
  /** A file whose first line is the password. */
  readonly passwordFile?: string;
  /** How long to wait for the server: 15s by default. Milliseconds, or a text such as 10s. */
  readonly timeout?: number | string;
  /**
   * A proxy on the way to the server, http://[user@]host:port, https://…, socks5://… or socks5h://…; none for none.
   * Without it HTTPS_PROXY, HTTP_PROXY, ALL_PROXY and NO_PROXY count. TANDEM_PROXY_PASSWORD is its password.
   */
  readonly proxy?: string;
  /** A private key file to log in with, before the keys of the agent and of ~/.ssh. */
  readonly sshPrivateKeyPath?: string;
  /** The passphrase of an encrypted private key; asked for at a terminal when it is missing. */
  readonly sshPrivateKeyPassphrase?: SecretText;
  /** The host key that must answer: "SHA256:…", one of several; then no known hosts are read. */
  readonly sshHostKeyFingerprint?: string | readonly string[];
  /** Policy for a host key that is not known yet. Check asks at a terminal and refuses elsewhere. */
  readonly sshHostKeyPolicy?: "Check" | "AcceptNew" | "GiveUpSecurityAndAcceptAny";
  /** Accepts any host key: an attacker in between can read and change everything. */
  readonly giveUpSecurityAndAcceptAnySshHostKey?: boolean;
  /**
   * The ssh_config to read host aliases, users, keys and jump hosts from; ~/.ssh/config by default, "none" for none.
   */
  readonly sshConfigFile?: string;
  /** The socket of an SSH agent, SSH_AUTH_SOCK by default; "none" for none. */
  readonly sshAgent?: string;
  /**
   * System logs in with the ssh of OpenSSH: ProxyCommand, certificates, security keys. Auto uses it where ssh_config or
   * the key needs it.
   */
  readonly sshClient?: "Auto" | "System" | "BuiltIn";
  /** Also allows SHA-1 and CBC, for servers that support nothing newer. */
  readonly allowLegacyAlgorithms?: boolean;
  /**
   * Sftp: The time in which a lost connection may be restored before the run ends, 2m by default; 0 to never reconnect.
   * Ftp: How long a broken connection is dialled again before the run gives up, 2m by default, 0 for never.
   * Milliseconds, or a text such as 10s.
   */
  readonly reconnectTime?: number | string;
  /**
   * Sftp: The number of concurrent connections, 4 by default; fewer are used if the server refuses more. Ftp: The
   * highest number of connections, 8 by default, 12 at high latency; fewer if the server refuses more. Webdav, Gcs, S3:
   * How many connections may be open side by side.
   */
  readonly connections?: number;
  /** Writes new files under their final names, as servers need that rename nothing; a reader may see half a file. */
  readonly noTemp?: boolean;
  /** TLS: Auto uses it if the server offers it, Explicit requires it, Implicit begins with it. */
  readonly ftpSecure?: "None" | "Auto" | "Implicit" | "Explicit";
  /** The side that opens data connections. Passive: this machine; Active: the server; Auto: the server if it must. */
  readonly ftpMode?: "Passive" | "Active" | "Auto";
  /**
   * Ftp: The SHA-256 of the certificate that must answer, one of several; then no authority is asked. Webdav, Gcs, S3:
   * The SHA-256 fingerprint of the certificate that must answer, one of several; it decides alone.
   */
  readonly tlsHostCertificateFingerprint?: string | readonly string[];
  /** A PEM file with the certificate and the private key that log this side in over TLS. */
  readonly tlsClientCertificatePath?: string;
  /**
   * The server's encoding of names, utf8 by default: latin1, cp1252, cp1251, koi8-r, gbk, big5, shift_jis and others.
   */
  readonly ftpEncoding?: string;
  /** Speaks TLS, as davs: and https: do. */
  readonly secure?: boolean;
  /** The folder to start in when the address names none: "/remote.php/dav/files/me". */
  readonly rootPath?: string;
  /**
   * How to log in. Auto takes the best that the server offers; Basic sends the login with the first request; with
   * Bearer the password is the token.
   */
  readonly auth?: "Auto" | "Basic" | "Digest" | "Bearer";
  /**
   * Webdav: Lets a password travel over http: to another machine, where everybody on the way can read it. Gcs: Lets
   * credentials travel over http: to another machine, where everybody on the way can read them. S3: Lets content travel
   * over http: to another machine, where everybody on the way can read it.
   */
  readonly allowInsecure?: boolean;
  /** Takes what the server makes of a file that it alters as it arrives, though its size is then another. */
  readonly acceptAltered?: boolean;
  /** How many MiB the listing of one folder may have, 64 by default; beyond that the server is not believed. */
  readonly maxFolderListing?: number;
  /**
   * The JSON file of a service account, or of gcloud's login; GOOGLE_APPLICATION_CREDENTIALS, gcloud's own file and the
   * machine's account otherwise.
   */
  readonly keyFile?: string;
  /**
   * The access key that logs in, with -SecretKey; else the environment, ~/.aws, SSO or this machine's role does. For
   * gs: an HMAC key.
   */
  readonly accessKey?: string;
  /** The secret of that key; -PasswordFile and TANDEM_PASSWORD give it too, and show in no list of processes. */
  readonly secretKey?: SecretText;
  /** The project that pays, where a bucket lets those pay who ask. */
  readonly userProject?: string;
  /**
   * Gcs: Another server than the provider's own: https://host, or http://127.0.0.1:4443 of an emulator. S3: The store
   * that holds the bucket, where it is not Amazon's: "https://minio.example:9000".
   */
  readonly endpoint?: string;
  /** The region of the bucket; AWS_REGION or the profile's by default, us-east-1 where none is known. */
  readonly region?: string;
  /** Writes the bucket into the path instead of the host name, as most stores of one's own want it. */
  readonly pathStyle?: boolean;
  /** The profile of ~/.aws/config and ~/.aws/credentials that logs in. */
  readonly profile?: string;
  /** The token of a temporary key. */
  readonly sessionToken?: SecretText;
  /** MiB of the parts that larger files are sent in, 8 by default, 5 at least. */
  readonly partSize?: number;
  /** The storage class of what is written: STANDARD_IA, GLACIER_IR … */
  readonly storageClass?: string;
  /** The canned ACL of what is written; the bucket's own rules by default. */
  readonly acl?:
    | "private"
    | "public-read"
    | "public-read-write"
    | "authenticated-read"
    | "bucket-owner-read"
    | "bucket-owner-full-control";
  /** How long browsers may keep what is written: "max-age=3600". */
  readonly cacheControl?: string;
  /** How the store encrypts what is written; as the bucket says by default. */
  readonly serverSideEncryption?: "AES256" | "aws:kms" | "aws:kms:dsse";
  /** Agrees to pay for the requests to somebody else's bucket. */
  readonly requesterPays?: boolean;
}
