"""A target's kernel, its modules and its busybox, as Debian makes them."""

import functools
import lzma
import re

import places
from debian import Archive


class Kernel:
    def __init__(self, target):
        archive = _archive(target.debian, target.release)
        package = _package(archive, target)
        self._tree = places.BOARD / "kernels" / package
        archive.unpack([package], self._tree)
        tools = places.BOARD / "busybox" / target.debian
        archive.unpack(["busybox-static"], tools)

        self.busybox = next(tools.glob("**/bin/busybox"))
        self.image = next((self._tree / "boot").glob("vmlinu[xz]-*"))
        self._release = self.image.name.split("-", 1)[1]
        self._device_tree = target.device_tree
        self._modules = {
            _module_name(path): path
            for path in sorted(self._tree.rglob("*.ko*"))
        }

    @property
    def device_tree(self):
        return next(self._tree.rglob(self._device_tree)) if self._device_tree else None

    def modules(self, names):
        """(name, bytes) of these and all that they need, each after what it needs.

        A name without a file is that of something which is part of the kernel.
        """
        ordered = {}
        for name in names:
            self._add(name, ordered)
        return list(ordered.items())

    def _add(self, name, ordered):
        if name in ordered or name not in self._modules:
            return
        module = _read(self._modules[name])
        needed = re.search(rb"\0depends=([^\0]*)\0", module).group(1).decode()
        for other in filter(None, needed.split(",")):
            self._add(other.replace("-", "_"), ordered)
        ordered[name] = module


@functools.cache
def _archive(architecture, release):
    return Archive(architecture, release)


def _package(archive, target):
    """The package with the kernel's version; the one that is here already, if any."""
    flavour = target.kernel.removeprefix("linux-image-")
    have = sorted((places.BOARD / "kernels").glob(f"linux-image-[0-9]*-{flavour}"))
    return have[-1].name if have else archive.dependency(target.kernel, "linux-image-")


def _module_name(path):
    return path.name.split(".")[0].replace("-", "_")


def _read(path):
    content = path.read_bytes()
    return lzma.decompress(content) if path.suffix == ".xz" else content
