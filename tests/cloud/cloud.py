"""A cloud to test on: moto's EC2, IAM, STS and S3 behind a shim, and a machine for each instance.

`tests/cloud/mod.rs` runs it and says what it offers. It has a network, a mount table and a process
table of its own, and the kernel ends what is in them when its standard input ends: whoever started
it leaves nothing behind, however they die.
"""

import os
import socket
import sys
import threading

import kernel


def main():
    # A socket belongs to the network in which it was made. This one is how the test, which stays in
    # the machine's own network, reaches what is inside.
    outside = listening("127.0.0.1", 0)
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_NETWORK | kernel.NEW_PROCESSES)
    first = os.fork()
    if first:
        os._exit(ended(first))
    kernel.die_with_parent()
    server = os.fork()
    if server:
        os._exit(reap_until(server))
    serve(outside)


def listening(address, port):
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind((address, port))
    # As many as a large fleet has calls in flight.
    listener.listen(512)
    return listener


def ended(child):
    """Waits for `child`, and returns what a shell would say that it ended with."""
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return status if status >= 0 else 128 - status


def reap_until(server):
    """The first process: whoever lost their parent is its child. When it ends, all others do."""
    while True:
        child, status = os.wait()
        if child == server:
            return os.waitstatus_to_exitcode(status) & 0xFF


def serve(outside):
    kernel.make_mounts_private()
    kernel.mount("proc", "/proc", "proc")
    # What is kept here, the disks of the machines above all, is gone with this mount table.
    kernel.mount("tmpfs", "/run", "tmpfs")
    network = threading.Thread(target=make_network)
    network.start()
    # It takes a second to load, which is why it is not loaded before.
    from shim import Cloud

    network.join()
    cloud = Cloud()
    inside = listening(kernel.API_ADDRESS, kernel.API_PORT)
    for listener in (outside, inside):
        threading.Thread(target=cloud.serve, args=[listener], daemon=True).start()
    print(outside.getsockname()[1], flush=True)
    sys.stdin.buffer.read()
    os._exit(0)


def make_network():
    import network

    network.make()


if __name__ == "__main__":
    main()
