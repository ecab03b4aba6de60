"""A cpio archive in the "newc" format, in which the kernel takes its first root."""

import stat

END = "TRAILER!!!"


class Archive:
    def __init__(self):
        self._parts = []
        self._count = 0
        self._folders = set()

    def file(self, name, content, mode=0o644):
        self._parents(name)
        self._entry(name, stat.S_IFREG | mode, content)

    def program(self, name, content):
        self.file(name, content, 0o755)

    def folder(self, name):
        if name not in self._folders:
            self._parents(name)
            self._folders.add(name)
            self._entry(name, stat.S_IFDIR | 0o755)

    def device(self, name, major, minor):
        self._parents(name)
        self._entry(name, stat.S_IFCHR | 0o600, device=(major, minor))

    def bytes(self):
        end = Archive()
        end._entry(END, 0)
        return b"".join(self._parts + end._parts)

    def _parents(self, name):
        above = name.rpartition("/")[0]
        if above:
            self.folder(above)

    def _entry(self, name, mode, content=b"", device=(0, 0)):
        self._count += 1
        path = name.encode() + b"\0"
        fields = [
            *[self._count, mode, 0, 0],  # inode, mode, user, group
            *[1, 0, len(content), 0, 0],  # links, time, size, the archive's own device
            *[*device, len(path), 0],  # device, length of the name, checksum
        ]
        head = b"070701" + b"".join(b"%08x" % field for field in fields) + path
        self._parts += [_padded(head), _padded(content)]


def _padded(data):
    return data + bytes(-len(data) % 4)
