"""The bytes of EBS volumes: files that outlive the machines, as block devices while attached."""

import errno
import fcntl
import os
import stat
import struct
import time

FOLDER = "/run/cloud/volumes"

_GET_FREE = 0x4C82
_CONFIGURE = 0x4C0A
# The kernel frees the device when the last process that has it open is gone, whatever ended it.
_AUTOCLEAR = 4
_LOOP_MAJOR = 7

# Between two looks whether it is mounted still.
_LOOK_PAUSE = 0.05

# Another cloud may take the free device first.
_TRIES = 20


class Device:
    """A volume as a block device, open as long as it is attached."""

    def __init__(self, volume, gibibytes):
        os.makedirs(FOLDER, exist_ok=True)
        path = f"{FOLDER}/{volume}"
        self.link = f"nvme-Amazon_Elastic_Block_Store_{volume.replace('-', '')}"
        with open(path, "ab") as file:
            # As large as was ordered, and as heavy as what is written.
            file.truncate(gibibytes << 30)
        self.number, self.node, self.handle = _attach(path)

    def is_mounted(self):
        try:
            os.close(os.open(self.node, os.O_RDONLY | os.O_EXCL))
        except OSError as error:
            if error.errno == errno.ENOENT:
                # It was closed in the meantime.
                return False
            if error.errno != errno.EBUSY:
                raise
            return True
        return False

    def await_unmounted(self, patience):
        """Whether it is not mounted, now or within `patience`."""
        end = time.monotonic() + patience
        while self.is_mounted():
            if time.monotonic() > end:
                return False
            time.sleep(_LOOK_PAUSE)
        return True

    def close(self):
        os.close(self.handle)
        os.unlink(self.node)


def _attach(path):
    with open("/dev/loop-control", "rb") as control, open(path, "r+b") as file:
        for _ in range(_TRIES):
            index = fcntl.ioctl(control, _GET_FREE)
            number = os.makedev(_LOOP_MAJOR, index)
            node = f"{path}.device"
            os.mknod(node, 0o600 | stat.S_IFBLK, number)
            handle = os.open(node, os.O_RDWR | os.O_CLOEXEC)
            try:
                fcntl.ioctl(handle, _CONFIGURE, _configuration(file.fileno()))
                return number, node, handle
            except OSError as error:
                os.close(handle)
                os.unlink(node)
                if error.errno != errno.EBUSY:
                    raise
    raise OSError(f"no loop device is free for {path}")


def _configuration(file):
    """`struct loop_config` of linux/loop.h."""
    before, after = bytes(8 * 5 + 4 * 3), bytes(64 + 64 + 32 + 16 + 8 * 8)
    return struct.pack("=II", file, 0) + before + struct.pack("=I", _AUTOCLEAR) + after
