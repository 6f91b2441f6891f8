"""The system calls that Python has no names for, and what is agreed on about the network."""

import ctypes
import os
import signal
import socket
import threading

NEW_MOUNTS = 0x00020000
NEW_NETWORK = 0x40000000
NEW_PROCESSES = 0x20000000

# TEST-NET-3 of RFC 5737: where the world is, and in it AWS.
API_ADDRESS = "203.0.113.1"
API_PORT = 80

_READ_ONLY, _BIND, _RECURSIVE, _PRIVATE = 0x1, 0x1000, 0x4000, 0x40000
_DETACH = 2
_PARENT_DEATH_SIGNAL = 1
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result, what):
    if result == -1:
        error = ctypes.get_errno()
        raise OSError(error, f"{what}: {os.strerror(error)}")


def unshare(what):
    _check(_libc.unshare(what), "unshare")


def die_with_parent():
    _check(_libc.prctl(_PARENT_DEATH_SIGNAL, signal.SIGKILL, 0, 0, 0), "prctl")


def set_hostname(name):
    _check(_libc.sethostname(name.encode(), len(name)), "sethostname")


def mount(source, target, kind, options="", flags=0):
    arguments = [text.encode() for text in (source, target, kind)]
    _check(_libc.mount(*arguments, flags, options.encode()), f"mount {kind} at {target}")


def make_mounts_private():
    """What is mounted from now on is seen in this mount table only."""
    mount("none", "/", "none", flags=_RECURSIVE | _PRIVATE)


def enter_root(folder):
    """Makes `folder` the root, and leaves nothing of the old one behind."""
    os.chdir(folder)
    number = _PIVOT_ROOT[os.uname().machine]
    _check(_libc.syscall(number, b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _DETACH), "umount2")
    os.chdir("/")


def listening_inside(namespace, address):
    """A listening socket in another network: it belongs to where its thread was."""
    made = []

    def make():
        with open(namespace, "rb") as handle:
            _check(_libc.setns(handle.fileno(), NEW_NETWORK), f"setns {namespace}")
        listener = socket.create_server(address)
        made.append(listener)

    thread = threading.Thread(target=make)
    thread.start()
    thread.join()
    if not made:
        raise OSError(f"no socket at {address} in {namespace}")
    return made[0]
