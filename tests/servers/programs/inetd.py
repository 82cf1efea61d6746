"""Starts a program for each connection to 127.0.0.1, with the connection as its standard input and output: inetd.py PORT PROGRAM ARGUMENT…"""
import os
import signal
import socket
import sys

port, *command = sys.argv[1:]
signal.signal(signal.SIGCHLD, signal.SIG_IGN)
listener = socket.create_server(("127.0.0.1", int(port)), backlog=64)
while True:
    link, _ = listener.accept()
    if os.fork() == 0:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.dup2(link.fileno(), 0)
        os.dup2(link.fileno(), 1)
        os.execv(command[0], command)
    link.close()
