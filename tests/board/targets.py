"""The machines: one row for each target."""

from dataclasses import dataclass

import places

VIRTIO_MMIO = ("virtio_mmio", "virtio_net")
VIRTIO_PCI = ("virtio_pci", "virtio_net")


@dataclass(frozen=True)
class Target:
    name: str
    # The Debian architecture of the kernel and of busybox, and the kernel's package.
    debian: str
    kernel: str
    # As qemu-system-* calls it.
    qemu: str
    machine: tuple
    network: str
    console: str
    modules: tuple
    # The words of zig for it, as cargo-zigbuild has them (see floor.py).
    zig: str
    # MiB
    memory: int = 64
    device_tree: str | None = None
    # Further words for the kernel.
    words: tuple = ()
    # Another Debian than the one that this runs on.
    release: str | None = None
    bits: int = 32
    # The target whose program runs there, in dist/; by default the target itself.
    of: str | None = None
    # Its network, as qemu has it, carries too little: whoever streams leaves it out.
    has_slow_network: bool = False

    @property
    def program(self):
        return places.DIST / (self.of or self.name) / "runnel"


ZIG_ARMV6 = "-mcpu=generic+v6+strict_align+vfp2-d32 -target arm-linux-musleabihf"
ZIG_ARMV7 = "-mcpu=generic+v7a+vfp3-d32+thumb2-neon -target arm-linux-musleabihf"

ARMV7 = dict(
    debian="armhf",
    kernel="linux-image-armmp",
    qemu="arm",
    # Without highmem=off its devices are where a kernel without LPAE does not reach.
    machine=("-machine", "virt,highmem=off", "-cpu", "cortex-a7"),
    network="virtio-net-device",
    console="ttyAMA0",
    modules=VIRTIO_MMIO,
)

TARGETS = [
    Target(
        "mipsel",
        debian="mipsel",
        kernel="linux-image-4kc-malta",
        qemu="mipsel",
        machine=("-machine", "malta", "-cpu", "24Kc"),
        network="virtio-net-pci,romfile=",
        console="ttyS0",
        modules=VIRTIO_PCI,
        zig="-target mipsel-linux-musleabi",
    ),
    Target("armv7", zig=ZIG_ARMV7, **ARMV7),
    # Debian has no kernel for ARMv5, and the only machine with an ARMv6 has a slow
    # network: their programs show here that they do on a kernel all that they should.
    Target("arm", zig=ZIG_ARMV6, **ARMV7),
    # Many devices have no IPv6. (zig alone cannot link for an ARMv5; floor.c need not be.)
    Target("armv5te", zig=ZIG_ARMV6, words=("ipv6.disable=1",), **ARMV7),
    # A Raspberry Pi Zero, with all its memory and a network card on USB.
    Target(
        "raspi0",
        of="arm",
        has_slow_network=True,
        debian="armel",
        kernel="linux-image-rpi",
        qemu="arm",
        # Its timer misses what is due before it has been told of it, for 71 minutes.
        # With a clock that counts instructions that cannot happen.
        machine=("-machine", "raspi0", "-icount", "shift=auto"),
        memory=512,  # it has no other
        device_tree="bcm2835-rpi-zero.dtb",
        network="usb-net",
        console="ttyAMA0",
        modules=("usbnet", "cdc_ether", "rndis_host"),
        # A driver for what qemu does not emulate.
        words=("initcall_blacklist=bcm2835_power_driver_init",),
        zig=ZIG_ARMV6,
    ),
    Target(
        "arm64",
        debian="arm64",
        kernel="linux-image-cloud-arm64",
        qemu="aarch64",
        machine=("-machine", "virt", "-cpu", "cortex-a53"),
        network="virtio-net-device",
        console="ttyAMA0",
        modules=VIRTIO_MMIO,
        zig="-target aarch64-linux-musl",
        bits=64,
    ),
    Target(
        "s390x",
        debian="s390x",
        kernel="linux-image-s390x",
        qemu="s390x",
        machine=("-machine", "s390-ccw-virtio", "-cpu", "qemu"),
        network="virtio-net-ccw",
        console="ttysclp0",
        modules=("virtio_net",),
        zig="-mcpu=z10-vector -target s390x-linux-musl",
        bits=64,
    ),
    Target(
        "ppc64le",
        debian="ppc64el",
        kernel="linux-image-powerpc64le",
        qemu="ppc64",
        machine=(
            "-machine",
            "pseries,cap-cfpc=broken,cap-sbbc=broken,cap-ibs=broken,cap-ccf-assist=off",
            *("-cpu", "POWER9", "-vga", "none"),
        ),
        memory=256,  # it takes multiples of this
        network="virtio-net-pci,romfile=",
        console="hvc0",
        modules=VIRTIO_PCI,
        zig="-target powerpc64le-linux-musl",
        bits=64,
    ),
    Target(
        "riscv64",
        debian="riscv64",
        release="trixie",  # the first with this architecture
        kernel="linux-image-riscv64",
        qemu="riscv64",
        machine=("-machine", "virt"),
        memory=128,  # of which its kernel, which is not packed, leaves 62
        network="virtio-net-device",
        console="ttyS0",
        modules=VIRTIO_MMIO,
        zig="-mcpu=generic_rv64+m+a+f+d+c -target riscv64-linux-musl",
        bits=64,
    ),
    Target(
        "x86_64",
        debian="amd64",
        kernel="linux-image-cloud-amd64",
        qemu="x86_64",
        machine=("-machine", "q35", "-accel", "tcg", "-cpu", "qemu64"),
        memory=96,  # with less its kernel has no room to unpack itself
        network="virtio-net-pci,romfile=",
        console="ttyS0",
        modules=VIRTIO_PCI,
        zig="-target x86_64-linux-musl",
        bits=64,
    ),
]


def find(name):
    return next(target for target in TARGETS if target.name == name)
