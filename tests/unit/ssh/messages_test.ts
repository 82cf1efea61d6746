import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import { setTimeout as wait } from "node:timers/promises";
import { fingerprint } from "../../../lib/ssh/known_hosts.ts";
import { MessageFilter } from "../../../lib/ssh/messages.ts";
import { SyncError } from "../../../lib/core/errors.ts";
import type { RawScript } from "../../support/servers/raw_ssh.ts";
import { connected, ended, refused } from "../../support/raw_ssh_link.ts";
import type { AuthMethod } from "../../../lib/ssh/types.ts";

const SERVICE_REQUEST = 5;
const USERAUTH_REQUEST = 50;
const INFO_RESPONSE = 61;

const success = 52;
const wrongKey = new SyncError("hostKey", "not the pinned one", { operation: "check the host key" });
const interactive: AuthMethod = { method: "keyboard-interactive", answer: () => Promise.resolve(["secret"]) };

Deno.test("dial() sends nothing before the host key is verified, and hands it on with the link", async () => {
  await connected({ takes: 150, login: (client) => client.succeed() }, ({ link, server }) => {
    assert.equal(Buffer.compare(link.hostKey, server.hostKey), 0);
    assert.deepEqual(server.received.slice(0, 2), [SERVICE_REQUEST, USERAUTH_REQUEST]);
    return Promise.resolve();
  });
});

for (const takes of [0, 150]) {
  Deno.test(`dial() refuses a success that comes while the host key is verified for ${takes} ms`, async () => {
    for (const isHasty of [false, true]) {
      const exchanged: RawScript["exchanged"] = (client) => client.succeed();
      const refusal = await refused({ takes: takes + 50, isHasty, exchanged }, "hostKey");
      assert.deepEqual([refusal.received, refusal.logins], [[], 0]);
      assert.match(refusal.message, /ecdsa-sha2-nistp256 256 SHA256:/);
    }
  });

  Deno.test(`dial() refuses a wrong host key after ${takes} ms though the login is said to be successful`, async () => {
    for (const early of [() => {}, (client: { succeed(): void }) => client.succeed()]) {
      const refusal = await refused({ takes, refuses: wrongKey, exchanged: early }, "hostKey");
      assert.deepEqual([refusal.received, refusal.logins], [[], 0]);
    }
  });
}

Deno.test("dial() refuses a success before the keys are exchanged", async () => {
  const refusal = await refused({ greeted: (client) => client.send(success) }, "connection");
  assert.deepEqual([refusal.received, refusal.logins], [[], 0]);
});

/** What a server may send before the client's first message: none of it is let through, and no login leaves. */
const early: Readonly<Record<string, RawScript["exchanged"]>> = {
  "SERVICE_ACCEPT": (client) => client.accept(),
  "SERVICE_ACCEPT and SUCCESS": (client) =>
    client.together(() => {
      client.accept();
      client.succeed();
    }),
  "a login request of its own and SUCCESS": (client) =>
    client.together(() => {
      client.send(USERAUTH_REQUEST, "ann", "ssh-connection", "none");
      client.succeed();
    }),
  "FAILURE": (client) => client.fail("password"),
  "a question": (client) => client.question("Password: "),
  "a key exchange": (client) => client.rekey(),
  "a global request": (client) => client.send(80, "hostkeys-00@openssh.com", new Uint8Array(1)),
  "a channel": (client) => client.send(90, "session", 0, 1 << 20, 1 << 15),
  "channel data": (client) => client.send(94, 0, "data"),
  "an unknown message": (client) => client.send(200, "data"),
};
for (const [what, exchanged] of Object.entries(early)) {
  Deno.test(`dial() refuses ${what} before the host key is verified`, async () => {
    const refusal = await refused({ takes: 200, ...(exchanged && { exchanged }) }, "hostKey");
    assert.deepEqual([refusal.received, refusal.logins], [[], 0]);
  });
}

/** What a server may answer to SERVICE_REQUEST instead of SERVICE_ACCEPT alone. */
const insteadOfService: Readonly<Record<string, NonNullable<RawScript["service"]>>> = {
  "SUCCESS alone": (client) => client.succeed(),
  "FAILURE alone": (client) => client.fail("password"),
  "SERVICE_ACCEPT for another service": (client) =>
    client.together(() => {
      client.send(6, "ssh-connection");
      client.succeed();
    }),
  "SERVICE_ACCEPT with SUCCESS": (client) =>
    client.together(() => {
      client.accept();
      client.succeed();
    }),
  "SERVICE_ACCEPT with a login request of its own and SUCCESS": (client) =>
    client.together(() => {
      client.accept();
      client.send(USERAUTH_REQUEST, "ann", "ssh-connection", "none");
      client.succeed();
    }),
  "SERVICE_ACCEPT with FAILURE": (client) =>
    client.together(() => {
      client.accept();
      client.fail("password");
    }),
  "SERVICE_ACCEPT twice": (client) =>
    client.together(() => {
      client.accept();
      client.accept();
    }),
  "SERVICE_ACCEPT with a channel": (client) =>
    client.together(() => {
      client.accept();
      client.send(90, "session", 0, 1 << 20, 1 << 15);
    }),
  "SERVICE_ACCEPT with a global request": (client) =>
    client.together(() => {
      client.accept();
      client.send(80, "keepalive@openssh.com", new Uint8Array([1]));
    }),
  "SERVICE_ACCEPT with an answer to a global request": (client) =>
    client.together(() => {
      client.accept();
      client.send(81);
    }),
};
for (const [what, service] of Object.entries(insteadOfService)) {
  Deno.test(`dial() refuses ${what} as the answer to SERVICE_REQUEST`, async () => {
    const refusal = await refused({ service }, "connection");
    assert.ok(refusal.received.filter((type) => type === USERAUTH_REQUEST).length <= 1, `${refusal.received}`);
    assert.equal(refusal.facts.transient, undefined, "a server that lies is not dialled again");
  });
}

Deno.test("dial() refuses a success behind a failure: it answers no login", async () => {
  const login: RawScript["login"] = (client) =>
    client.together(() => {
      client.fail("password");
      client.succeed();
    });
  await refused({ login }, "connection");
});

Deno.test("dial() refuses a success while a question of the server is open, and gives no answer any more", async () => {
  let asked = 0;
  const method: AuthMethod = {
    method: "keyboard-interactive",
    async answer() {
      asked++;
      await wait(100);
      return ["secret"];
    },
  };
  const login: RawScript["login"] = (client) =>
    client.together(() => {
      client.question("Password: ");
      client.succeed();
    });
  const refusal = await refused({ method, login }, "connection");
  assert.equal(asked, 1);
  // The answer comes after the refusal.
  await wait(150);
  assert.ok(!refusal.received.includes(INFO_RESPONSE));
});

Deno.test("dial() refuses a second question while the first is open", async () => {
  const login: RawScript["login"] = (client) =>
    client.together(() => {
      client.question("Password: ");
      client.question("Password: ");
    });
  await refused({ method: interactive, login }, "connection");
});

Deno.test("dial() takes a success that answers the answers", async () => {
  const login: RawScript["login"] = (client) => client.question("Password: ");
  await connected({ method: interactive, login, answered: (client) => client.succeed() }, ({ server }) => {
    assert.ok(server.received.includes(INFO_RESPONSE));
    return Promise.resolve();
  });
});

Deno.test("dial() drops a banner that comes before the host key is verified", async () => {
  const exchanged: RawScript["exchanged"] = (client) =>
    client.together(() => {
      client.send(53, "not proven yet", "");
      client.send(2, "what follows is read");
    });
  const service: RawScript["service"] = (client) => {
    client.accept();
    client.send(53, "welcome", "");
  };
  await connected({ takes: 50, exchanged, service, login: (client) => client.succeed() }, ({ link }) => {
    assert.equal(link.banner, "welcome");
    return Promise.resolve();
  });
});

const floods: Readonly<Record<string, readonly [number, ...(string | Uint8Array)[]]>> = {
  banners: [53, "B".repeat(30_000), ""],
  "messages to ignore": [2, "B".repeat(30_000)],
  "debug messages": [4, new Uint8Array(1), "B".repeat(30_000), ""],
};
for (const [what, [type, ...fields]] of Object.entries(floods)) {
  Deno.test(`dial() ends a flood of ${what} before the login`, async () => {
    const flood: RawScript["service"] = (client) => {
      for (let sent = 0; sent < 100; sent++) client.send(type, ...fields);
    };
    const { message } = await refused({ service: flood }, "connection");
    assert.match(message, /flood of banners or other messages/);
  });
}

Deno.test("SshLink.closed tells of a flood of global requests or banners after the login", async () => {
  const messages: [number, ...(string | Uint8Array)[]][] = [[80, "x@y", new Uint8Array(1)], [
    53,
    "B".repeat(30_000),
    "",
  ]];
  for (const [type, ...fields] of messages) {
    const login: RawScript["login"] = (client) => {
      client.succeed();
      for (let sent = 0; sent < 40_000 / (1 + (type === 53 ? 400 : 0)); sent++) client.send(type, ...fields);
    };
    const why = await ended({ login }, () => {}, "connection");
    assert.match(why.message, /flood of banners or other messages/);
  }
});

const disconnects: Readonly<Record<string, RawScript>> = {
  "before the key exchange": { greeted: (client) => client.disconnect() },
  "while the host key is verified": { exchanged: (client) => client.disconnect() },
  "instead of SERVICE_ACCEPT": { service: (client) => client.disconnect() },
  "instead of an answer to a login": { login: (client) => client.disconnect() },
};
for (const [when, script] of Object.entries(disconnects)) {
  Deno.test(`dial() rejects with connection when the server disconnects ${when}`, async () => {
    await refused({ takes: 50, ...script }, "connection");
  });
}

Deno.test("dial() refuses a later key exchange with another host key, before and after the login", async () => {
  const before: RawScript["login"] = (client) => {
    client.otherKey();
    client.rekey();
  };
  const refusal = await refused({ login: before }, "hostKey");
  assert.match(refusal.message, /another host key in a later key exchange/);
  const after: RawScript["login"] = (client) => {
    client.succeed();
    client.otherKey();
    client.rekey();
  };
  const why = await ended({ login: after }, () => {}, "hostKey");
  assert.match(why.message, /another host key in a later key exchange/);
});

Deno.test("dial() goes on after a later key exchange with the same host key", async () => {
  const login: RawScript["login"] = (client) => {
    client.rekey();
    wait(200).then(() => client.succeed());
  };
  await connected({ login }, ({ link }) => Promise.resolve(assert.equal(link.closed.aborted, false)));
});

Deno.test("SshLink.closed tells of a second success, and of login messages behind the first", async () => {
  for (const type of [success, 51, 60, 6, USERAUTH_REQUEST, SERVICE_REQUEST]) {
    const login: RawScript["login"] = (client) => {
      client.succeed();
      client.send(type, "x", new Uint8Array(1));
    };
    const why = await ended({ login }, () => {}, "connection");
    assert.match(why.message, /answers no request/);
  }
});

Deno.test("MessageFilter.verify() throws where no host key was shown, and its hostKey where none was verified", async () => {
  const protocol = { _compatFlags: 0, _authsQueue: [], _onPayload: () => {}, service: () => {}, authInfoRes: () => {} };
  const filter = new MessageFilter(protocol, { host: "h", port: 22 }, () => {});
  assert.throws(() => filter.hostKey, { kind: "hostKey" });
  await assert.rejects(filter.verify(() => Promise.resolve()), { kind: "hostKey" });
  const other = new MessageFilter({ ...protocol }, { host: "h", port: 22 }, () => {});
  other.acceptsKey(new Uint8Array());
  await assert.rejects(other.verify(() => Promise.resolve()), { kind: "hostKey" });
});

Deno.test("fingerprint() throws for no key", () => {
  assert.throws(() => fingerprint(new Uint8Array()), RangeError);
});
