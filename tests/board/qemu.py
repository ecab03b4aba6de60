"""The emulator: where it comes from, and how a machine is started with it."""

import subprocess

import places
from debian import Archive

PACKAGES = [
    "opensbi",  # the firmware of a riscv64
    "qemu-system-arm",
    "qemu-system-mips",
    "qemu-system-misc",
    "qemu-system-ppc",
    "qemu-system-x86",
]
TREE = places.BOARD / "qemu"


def fetch():
    architecture = subprocess.run(
        ["dpkg", "--print-architecture"], check=True, capture_output=True, text=True
    ).stdout.strip()
    Archive(architecture).unpack_with_libraries(PACKAGES, TREE)


def environment():
    """For programs that were unpacked and not installed."""
    folders = [*TREE.glob("lib/*-linux-gnu"), *TREE.glob("usr/lib/*-linux-gnu")]
    return {"LD_LIBRARY_PATH": ":".join(map(str, folders))}


def command(target, kernel, directory, ports):
    """Starts it once somebody connects to the console, a socket in `directory`.

    `ports` maps those inside to those outside.
    """
    share = TREE / "usr" / "share"
    forwards = [f"hostfwd=tcp:127.0.0.1:{out}-:{inside}" for inside, out in ports.items()]
    network = ",".join(["user", "id=net", "restrict=on", *forwards])
    words = [f"console={target.console}", "panic=-1", "quiet", *target.words]
    command = [
        *[TREE / "usr" / "bin" / f"qemu-system-{target.qemu}", *target.machine],
        *["-m", f"{target.memory}M", "-L", share / "qemu", "-L", share / "seabios"],
        *["-display", "none", "-monitor", "none", "-no-reboot"],
        *["-chardev", f"socket,id=console,path={directory / 'console'},server=on,wait=on"],
        *["-serial", "chardev:console"],
        *["-kernel", kernel.image, "-initrd", directory / "image", "-append", " ".join(words)],
        *["-netdev", network, "-device", f"{target.network},netdev=net"],
    ]
    if kernel.device_tree:
        command += ["-dtb", kernel.device_tree]
    return command
