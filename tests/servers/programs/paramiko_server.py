"""An SFTP server on 127.0.0.1 with paramiko: paramiko_server.py PORT FOLDER HOST_KEY USER PASSWORD."""
import os
import socket
import sys
import threading

import paramiko

port, folder, host_key, user, password = sys.argv[1:]


class Login(paramiko.ServerInterface):
    def check_auth_password(self, username, given):
        right = username == user and given == password
        return paramiko.AUTH_SUCCESSFUL if right else paramiko.AUTH_FAILED

    def get_allowed_auths(self, username):
        return "password"

    def check_channel_request(self, kind, number):
        return paramiko.OPEN_SUCCEEDED if kind == "session" else paramiko.OPEN_FAILED_ADMINISTRATIVELY_PROHIBITED


class Handle(paramiko.SFTPHandle):
    def stat(self):
        return attributes(os.fstat((self.readfile or self.writefile).fileno()))

    def chattr(self, attr):
        file = self.writefile or self.readfile
        file.flush()
        if attr.st_size is not None:
            os.ftruncate(file.fileno(), attr.st_size)
        if attr.st_mode is not None:
            os.fchmod(file.fileno(), attr.st_mode & 0o7777)
        if attr.st_mtime is not None:
            os.utime(file.fileno(), (attr.st_atime or attr.st_mtime, attr.st_mtime))
        return paramiko.SFTP_OK


def attributes(info, name=None):
    return paramiko.SFTPAttributes.from_stat(info, name)


def answered(work):
    """An error of the disk becomes a status."""

    def wrapped(self, *args):
        try:
            found = work(self, *args)
            return paramiko.SFTP_OK if found is None else found
        except OSError as error:
            return paramiko.SFTPServer.convert_errno(error.errno)

    return wrapped


class Files(paramiko.SFTPServerInterface):
    def real(self, path):
        return folder + self.canonicalize(path)

    @answered
    def list_folder(self, path):
        real = self.real(path)
        return [attributes(os.lstat(os.path.join(real, name)), name) for name in os.listdir(real)]

    @answered
    def stat(self, path):
        return attributes(os.stat(self.real(path)))

    @answered
    def lstat(self, path):
        return attributes(os.lstat(self.real(path)))

    @answered
    def open(self, path, flags, attr):
        number = os.open(self.real(path), flags, attr.st_mode if attr.st_mode is not None else 0o666)
        reads = flags & os.O_RDWR or not flags & os.O_WRONLY
        mode = "r+b" if flags & os.O_RDWR else ("rb" if reads else "wb")
        if flags & os.O_APPEND:
            mode = mode.replace("w", "a")
        file = os.fdopen(number, mode)
        handle = Handle(flags)
        handle.filename = self.real(path)
        handle.readfile = file if reads else None
        handle.writefile = file if flags & (os.O_WRONLY | os.O_RDWR) else None
        return handle

    @answered
    def remove(self, path):
        os.remove(self.real(path))

    @answered
    def rename(self, old, new):
        if os.path.lexists(self.real(new)):
            return paramiko.SFTP_FAILURE
        os.rename(self.real(old), self.real(new))

    @answered
    def posix_rename(self, old, new):
        os.rename(self.real(old), self.real(new))

    @answered
    def mkdir(self, path, attr):
        os.mkdir(self.real(path))

    @answered
    def rmdir(self, path):
        os.rmdir(self.real(path))

    @answered
    def chattr(self, path, attr):
        real = self.real(path)
        if attr.st_mode is not None:
            os.chmod(real, attr.st_mode & 0o7777)
        if attr.st_mtime is not None:
            os.utime(real, (attr.st_atime or attr.st_mtime, attr.st_mtime))

    @answered
    def readlink(self, path):
        return os.readlink(self.real(path))


def serve(link):
    transport = paramiko.Transport(link)
    transport.add_server_key(paramiko.Ed25519Key(filename=host_key))
    transport.set_subsystem_handler("sftp", paramiko.SFTPServer, Files)
    try:
        transport.start_server(server=Login())
        transport.join()
    except (paramiko.SSHException, EOFError):
        pass


listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)
while True:
    accepted, _ = listener.accept()
    threading.Thread(target=serve, args=(accepted,), daemon=True).start()
