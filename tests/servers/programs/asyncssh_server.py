"""An SFTP server on 127.0.0.1 with asyncssh: asyncssh_server.py PORT FOLDER HOST_KEY USER PASSWORD."""
import asyncio
import sys

import asyncssh

port, folder, host_key, user, password = sys.argv[1:]


class Login(asyncssh.SSHServer):
    def begin_auth(self, username):
        return True

    def password_auth_supported(self):
        return True

    def validate_password(self, username, given):
        return username == user and given == password


async def serve():
    await asyncssh.create_server(
        Login,
        "127.0.0.1",
        int(port),
        server_host_keys=[host_key],
        sftp_factory=lambda channel: asyncssh.SFTPServer(channel, chroot=folder),
    )
    await asyncio.Future()


asyncio.run(serve())
