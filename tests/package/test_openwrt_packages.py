"""The Makefiles of OpenWrt's packages, read by make with the few words of OpenWrt's they use."""

import shutil
import tempfile
import unittest
from pathlib import Path

import places

FEED = places.BOARD / "openwrt"
STAND_IN = places.ROOT / "tests" / "package" / "openwrt.mk"
# The files that are included after rules.mk, for which STAND_IN stands; it has the words of these too.
INCLUDED = ("package.mk", "feeds/packages/lang/rust/rust-package.mk")
# ARCH and the choices that go with it, and the release that is for it.
MACHINES = (
    (("mipsel",), "mipsel"),
    (("aarch64",), "arm64"),
    (("riscv64",), "riscv64"),
    (("x86_64",), "x86_64"),
    (("arm",), "armv5te"),
    (("arm", "CONFIG_arm_v7=y"), "armv5te"),
    (("arm", "CONFIG_HAS_FPU=y"), "armv5te"),
    (("arm", "CONFIG_arm_v7=y", "CONFIG_HAS_FPU=y"), "armv7"),
)


class Packages(unittest.TestCase):
    def setUp(self):
        self.top = Path(tempfile.mkdtemp(prefix="runnel-openwrt-"))
        self.addCleanup(shutil.rmtree, self.top)
        (self.top / "rules.mk").symlink_to(STAND_IN)
        for name in INCLUDED:
            (self.top / name).parent.mkdir(parents=True, exist_ok=True)
            (self.top / name).touch()

    def make(self, package, goal, arch="mipsel", *choices):
        return places.output(
            *("make", "-s", "--no-print-directory", "-C", FEED / package, goal),
            *(f"TOPDIR={self.top}", f"TARGET_DIR={self.top}/target", f"ARCH={arch}"),
            *choices,
        ).strip()

    def test_versions_are_that_of_cargo(self):
        for package in ("runnel", "runnel-bin"):
            self.assertEqual(
                self.make(package, "print-PKG_VERSION"), places.cargo()["package"]["version"]
            )

    def test_each_machine_gets_the_program_that_is_for_it(self):
        version = places.cargo()["package"]["version"]
        for words, target in MACHINES:
            with self.subTest(words=words):
                source = self.make("runnel-bin", "print-PKG_SOURCE", *words)
                self.assertEqual(source, f"runnel-{version}-{target}.tar.gz")

    def test_mips_gets_timers_that_fire(self):
        wanted = {
            "mipsel": ("--cfg libc_unstable_musl_v1_2", False),
            "mips": ("--cfg rustix_use_experimental_asm", True),
            "aarch64": ("", False),
        }
        for arch, (flags, is_unstable) in wanted.items():
            with self.subTest(arch=arch):
                self.assertEqual(self.make("runnel", "print-CARGO_RUSTFLAGS", arch), flags)
                variables = self.make("runnel", "print-CARGO_PKG_VARS", arch)
                self.assertEqual("RUSTC_BOOTSTRAP=1" in variables, is_unstable)

    def test_the_profile_for_devices_is_that_of_cargo(self):
        words = dict(
            word.split("=") for word in self.make("runnel", "print-CARGO_PKG_VARS").split()
        )
        wanted = places.device_profile()
        self.assertEqual({name: words.get(name) for name in wanted}, wanted)

    def test_both_install_program_script_and_configuration(self):
        built = {"runnel": "built/bin", "runnel-bin": None}
        for package, folder in built.items():
            with self.subTest(package=package):
                build = self.make(package, "print-PKG_BUILD_DIR")
                program = self.top / folder if folder else Path(build)
                program.mkdir(parents=True)
                (program / "runnel").write_text(package)
                target = self.top / "target"
                shutil.rmtree(target, ignore_errors=True)
                self.make(package, "run", "mipsel", f"RECIPE=Package/{package}/install")
                self.assertEqual((target / "usr/bin/runnel").read_text(), package)
                files = places.OPENWRT / "files"
                script = target / "etc/init.d/runnel"
                self.assertEqual(script.read_bytes(), (files / "runnel.init").read_bytes())
                self.assertEqual(script.stat().st_mode & 0o777, 0o755)
                conf = target / "etc/config/runnel"
                self.assertEqual(conf.read_bytes(), (files / "runnel.config").read_bytes())
