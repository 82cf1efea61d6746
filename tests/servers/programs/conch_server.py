"""An SFTP server on 127.0.0.1 with Twisted Conch: conch_server.py PORT HOST_KEY USER PASSWORD."""
import os
import sys

from twisted.conch.avatar import ConchUser
from twisted.conch.interfaces import IConchUser, ISFTPServer
from twisted.conch.ssh.factory import SSHFactory
from twisted.conch.ssh.filetransfer import FileTransferServer
from twisted.conch.ssh.keys import Key
from twisted.conch.ssh.session import SSHSession
from twisted.conch.unix import SFTPServerForUnixConchUser
from twisted.cred.checkers import InMemoryUsernamePasswordDatabaseDontUse
from twisted.cred.portal import IRealm, Portal
from twisted.internet import reactor
from twisted.python.components import registerAdapter
from twisted.python.filepath import FilePath
from zope.interface import implementer

port, host_key, user, password = sys.argv[1:]


class Avatar(ConchUser):
    def __init__(self):
        super().__init__()
        self.channelLookup[b"session"] = SSHSession
        self.subsystemLookup[b"sftp"] = FileTransferServer

    def getUserGroupId(self):
        return os.getuid(), os.getgid()

    def getHomeDir(self):
        return FilePath(os.getcwd())

    def _runAsUser(self, work, *args, **named):
        try:
            steps = iter(work)
        except TypeError:
            steps = [(work, args, named)]
        result = None
        for step in steps:
            function = step[0]
            result = function(*(step[1:2] or [()])[0], **(step[2:3] or [{}])[0])
        return result


@implementer(IRealm)
class Realm:
    def requestAvatar(self, name, mind, *interfaces):
        return IConchUser, Avatar(), lambda: None


registerAdapter(SFTPServerForUnixConchUser, Avatar, ISFTPServer)
checker = InMemoryUsernamePasswordDatabaseDontUse()
checker.addUser(user.encode(), password.encode())
factory = SSHFactory()
factory.portal = Portal(Realm(), [checker])
key = Key.fromFile(host_key)
factory.publicKeys = {key.sshType(): key.public()}
factory.privateKeys = {key.sshType(): key}
reactor.listenTCP(int(port), factory, interface="127.0.0.1", backlog=64)
reactor.run()
