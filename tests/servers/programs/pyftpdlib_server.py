"""An FTP server on 127.0.0.1 with pyftpdlib: pyftpdlib_server.py PORT FOLDER USER PASSWORD [CERTIFICATE]."""
import sys

from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import FTPHandler, TLS_FTPHandler
from pyftpdlib.servers import FTPServer

port, folder, user, password, *certificate = sys.argv[1:]
authorizer = DummyAuthorizer()
authorizer.add_user(user, password, folder, perm="elradfmwMT")
handler = TLS_FTPHandler if certificate else FTPHandler
if certificate:
    handler.certfile = certificate[0]
    handler.tls_control_required = True
    handler.tls_data_required = True
handler.authorizer = authorizer
FTPServer(("127.0.0.1", int(port)), handler).serve_forever()
