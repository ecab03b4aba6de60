"""Fetches qemu, and the kernels of the targets that are named, or of all."""

import sys

import places
import qemu
import targets
from kernel import Kernel

qemu.fetch()
for name in sys.argv[1:] or [target.name for target in targets.TARGETS]:
    Kernel(targets.find(name))
print(f"board: ready in {places.BOARD}")
