/** An FTP server on 127.0.0.1 with npm's ftp-srv: ftp_srv.mjs PACKAGE PORT FOLDER USER PASSWORD. */
const [packageName, port, folder, user, password] = Deno.args;
const { FtpSrv } = await import(packageName);
const silent = () => {};
const log = { trace: silent, debug: silent, info: silent, warn: silent, error: silent, child: () => log };
const server = new FtpSrv({ url: `ftp://127.0.0.1:${port}`, pasv_url: "127.0.0.1", anonymous: false, log });
server.on("login", (login, resolve, reject) => {
  if (login.username === user && login.password === password) resolve({ root: folder });
  else reject(new Error("wrong user or password"));
});
await server.listen();
