"""A disk that is far away and may stand still for as long as a test wants: files by FUSE, read-only.

A program of its own: FOLDER, where it is mounted, and the FILES that it has. While it is
stopped, whoever looks for a file there or reads one waits.
"""

import ctypes
import errno
import os
import signal
import stat
import struct
import subprocess
import sys

import waiting

READY_WITHIN = 10
# linux/fuse.h
LOOKUP, FORGET, GETATTR, OPEN, READ, STATFS, RELEASE = 1, 2, 3, 14, 15, 17, 18
FLUSH, INIT, OPENDIR, RELEASEDIR, INTERRUPT, BATCH_FORGET = 25, 26, 27, 29, 36, 42
HEADER = struct.Struct("=IIQQIIII")
ATTRIBUTES = struct.Struct("=6Q10I")
ROOT = 1
# Nothing is kept by the kernel: each read comes here.
DIRECT_IO = 1
MS_NOSUID, MS_NODEV = 2, 4


class FarDisk:
    """For a test, which is skipped where nothing can be mounted."""

    def __init__(self, case, files):
        self._case = case
        self.folder = case.directory / "far"
        self.folder.mkdir()
        command = [sys.executable, __file__, self.folder, *files]
        self._process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
        case.addCleanup(self._end)
        waiting.until(
            lambda: os.path.ismount(self.folder) or self._process.poll() is not None,
            READY_WITHIN,
            "a disk",
        )
        if self._process.poll() is not None:
            case.skipTest(f"nothing can be mounted here: {self._process.stderr.read()}")

    def stand_still(self):
        # Before anything that waits for it is ended.
        self._case.addCleanup(self.go_on)
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self):
        self._process.send_signal(signal.SIGCONT)

    def _end(self):
        subprocess.run(["umount", "--lazy", self.folder], check=False, capture_output=True)
        self._process.kill()
        self._process.wait()
        self._process.stderr.close()


def _mount(folder):
    device = os.open("/dev/fuse", os.O_RDWR)
    libc = ctypes.CDLL(None, use_errno=True)
    how = f"fd={device},rootmode=40000,user_id=0,group_id=0,allow_other".encode()
    flags = MS_NOSUID | MS_NODEV
    if libc.mount(b"far", os.fsencode(folder), b"fuse", flags, how) != 0:
        sys.exit(os.strerror(ctypes.get_errno()))
    return device


class _Files:
    def __init__(self, paths):
        self.files = [open(path, "rb") for path in paths]
        self.names = [os.path.basename(path).encode() for path in paths]

    def attributes(self, node):
        if node == ROOT:
            return ATTRIBUTES.pack(node, 0, 0, *[0] * 6, stat.S_IFDIR | 0o755, 2, *[0] * 3, 4096, 0)
        size = os.fstat(self.files[node - ROOT - 1].fileno()).st_size
        blocks = -(-size // 512)
        return ATTRIBUTES.pack(
            node, size, blocks, *[0] * 6, stat.S_IFREG | 0o644, 1, *[0] * 3, 4096, 0
        )

    def answer(self, opcode, node, body):
        """The answer; an error as a number, and none to what wants none."""
        if opcode == INIT:
            major, minor, readahead = struct.unpack_from("=III", body)
            return struct.pack("=IIIIHHIIHHI28x", 7, 31, readahead, 0, 8, 8, 1 << 16, 1, 0, 0, 0)
        if opcode == LOOKUP:
            name = body.rstrip(b"\0")
            if name not in self.names:
                return errno.ENOENT
            node = self.names.index(name) + ROOT + 1
            return struct.pack("=QQQQII", node, 0, 0, 0, 0, 0) + self.attributes(node)
        if opcode == GETATTR:
            return struct.pack("=QII", 0, 0, 0) + self.attributes(node)
        if opcode in (OPEN, OPENDIR):
            return struct.pack("=QII", 0, DIRECT_IO if opcode == OPEN else 0, 0)
        if opcode == READ:
            _, offset, size = struct.unpack_from("=QQI", body)
            return os.pread(self.files[node - ROOT - 1].fileno(), size, offset)
        if opcode == STATFS:
            return struct.pack("=5QIIII24x", 0, 0, 0, 0, 0, 4096, 255, 4096, 0)
        if opcode in (RELEASE, RELEASEDIR, FLUSH):
            return b""
        return None if opcode in (FORGET, BATCH_FORGET, INTERRUPT) else errno.ENOSYS


def main(folder, *paths):
    files, device = _Files(paths), _mount(folder)
    while True:
        try:
            request = os.read(device, (1 << 16) + 4096 + (1 << 12))
        except OSError as error:
            if error.errno == errno.ENODEV:
                return
            continue
        _, opcode, number, node, *_ = HEADER.unpack_from(request)
        answer = files.answer(opcode, node, request[HEADER.size :])
        if answer is None:
            continue
        code, content = (-answer, b"") if isinstance(answer, int) else (0, answer)
        os.write(device, struct.pack("=IiQ", 16 + len(content), code, number) + content)


if __name__ == "__main__":
    main(*sys.argv[1:])
