/** A WebDAV server on 127.0.0.1 with npm's webdav-server: webdav_server.mjs PACKAGE PORT FOLDER USER PASSWORD. */
const [packageName, port, folder, user, password] = Deno.args;
const { v2: dav } = await import(packageName);
const users = new dav.SimpleUserManager();
const privileges = new dav.SimplePathPrivilegeManager();
privileges.setRights(users.addUser(user, password, false), "/", ["all"]);
const server = new dav.WebDAVServer({
  hostname: "127.0.0.1",
  port: Number(port),
  requireAuthentification: true,
  httpAuthentication: new dav.HTTPBasicAuthentication(users, "files"),
  privilegeManager: privileges,
});
server.setFileSystem("/", new dav.PhysicalFileSystem(folder), () => server.start(() => {}));
