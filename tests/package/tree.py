"""Our tree for Buildroot, read by Kconfig and by make."""

import os
import shutil
import tempfile
import unittest
from pathlib import Path

import kconfiglib
import places

# The options that Buildroot's own Config.in files would bring.
BUILDROOT_SYMBOLS = (
    *("BR2_aarch64", "BR2_arm", "BR2_mips", "BR2_mipsel", "BR2_mips64", "BR2_mips64el"),
    *("BR2_powerpc64le", "BR2_riscv", "BR2_RISCV_64", "BR2_s390x", "BR2_x86_64"),
    *("BR2_ARM_CPU_ARMV5", "BR2_ARM_CPU_ARMV6", "BR2_ARM_CPU_ARMV7A", "BR2_ARM_CPU_ARMV8A"),
    *("BR2_ARM_CPU_HAS_VFPV2", "BR2_ARM_CPU_HAS_VFPV3", "BR2_RISCV_ISA_RVC", "BR2_RISCV_ISA_RVD"),
    *("BR2_MIPS_CPU_MIPS32R2", "BR2_MIPS_CPU_MIPS32R3", "BR2_MIPS_CPU_MIPS32R5"),
    *("BR2_USE_MMU", "BR2_INIT_SYSTEMD", "BR2_PACKAGE_HOST_RUSTC"),
    "BR2_PACKAGE_HOST_RUSTC_TARGET_ARCH_SUPPORTS",
)


class Tree(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="runnel-buildroot-"))
        self.addCleanup(shutil.rmtree, self.folder)
        os.environ["BR2_EXTERNAL_RUNNEL_PATH"] = str(places.BUILDROOT)
        # Buildroot's options have no prefix before BR2_.
        os.environ["CONFIG_"] = ""
        symbols = "".join(f'config {name}\n\tbool "{name}"\n' for name in BUILDROOT_SYMBOLS)
        top = f'{symbols}source "{places.BUILDROOT}/Config.in"\n'
        (self.folder / "Config.in").write_text(top)

    def kconfig(self, *yes):
        """The options, where these symbols of Buildroot's and ours are set."""
        kconf = kconfiglib.Kconfig(str(self.folder / "Config.in"), warn_to_stderr=False)
        for name in ("BR2_USE_MMU", *yes):
            kconf.syms[name].set_value("y")
        return kconf

    def make(self, kconf, goal):
        kconf.write_config(str(self.folder / ".config"))
        return places.output(
            *("make", "-s", "-f", places.ROOT / "tests" / "package" / "buildroot.mk", goal),
            f"CONFIG={self.folder}/.config",
            f"TARGET_DIR={self.folder}/target",
            # where the package's source would be unpacked
            cwd=self.folder,
        ).rstrip("\n")
