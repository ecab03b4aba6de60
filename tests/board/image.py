"""The files with which a machine starts: busybox, the server, its configurations, the modules."""

import places
from initramfs import Archive

GUEST = places.HERE / "guest"
# The same that tests/load has with a server beside it.
BEYOND = places.REPO / "tests" / "load" / "config.toml"


def build(target, kernel, floor):
    """The archive's bytes. `floor` is the compiled floor.c."""
    archive = Archive()
    for name in ("proc", "sys", "run", "tmp"):
        archive.folder(name)
    # Process 1 gets this as its standard streams before /dev is mounted.
    archive.device("dev/console", 5, 1)
    archive.program("init", (GUEST / "init").read_bytes())
    archive.program("bin/busybox", kernel.busybox.read_bytes())
    archive.program("bin/runnel", target.program.read_bytes())
    archive.program("bin/floor", floor.read_bytes())
    archive.program("etc/service", (GUEST / "service").read_bytes())
    for config in GUEST.glob("*.toml"):
        archive.file(f"etc/runnel/{config.name}", config.read_bytes())
    archive.file("etc/runnel/beyond.toml", BEYOND.read_bytes())
    modules = kernel.modules(target.modules)
    for name, content in modules:
        archive.file(f"lib/modules/{name}.ko", content)
    archive.file("etc/modules", "".join(f"{name}\n" for name, _ in modules).encode())
    return archive.bytes()
