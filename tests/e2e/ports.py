"""Ports for private servers."""

import os
import socket


def free_ports(count):
    """Ports that are free now and outside the range that outgoing connections take theirs from."""
    sockets, ports = [], []
    port = 20000 + (os.getpid() * 37) % 9000
    while len(ports) < count:
        port += 1
        s = socket.socket()
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            s.close()
            continue
        sockets.append(s)
        ports.append(port)
    for s in sockets:
        s.close()
    return ports
