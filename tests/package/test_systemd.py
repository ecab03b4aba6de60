"""The unit for systemd, as systemd itself reads it."""

import shutil
import tempfile
import unittest
from pathlib import Path

import places

UNIT = places.BOARD / "systemd" / "runnel.service"
# Of ten; what is left open is the network, which it is for. In tenths.
EXPOSURE = 15


class Unit(unittest.TestCase):
    def setUp(self):
        # A root with systemd's own units and the programs that the unit names.
        self.root = Path(tempfile.mkdtemp(prefix="runnel-units-"))
        self.addCleanup(shutil.rmtree, self.root)
        for folder in ("usr/bin", "bin", "usr/lib/systemd", "etc/systemd/system"):
            (self.root / folder).mkdir(parents=True)
        (self.root / "lib").symlink_to("usr/lib")
        shutil.copytree(
            "/usr/lib/systemd/system", self.root / "usr/lib/systemd/system", symlinks=True
        )
        for program in ("kill", "sh"):
            shutil.copy(f"/bin/{program}", self.root / "bin" / program)
        shutil.copy(places.RUNNEL, self.root / "usr/bin/runnel")
        shutil.copy(UNIT, self.root / "etc/systemd/system")

    def analyze(self, *words):
        return places.output(
            "systemd-analyze", *words, f"--root={self.root}", "runnel.service", ok=False
        )

    def test_systemd_finds_nothing_to_complain_of(self):
        self.assertEqual(self.analyze("verify"), "")

    def test_systemd_complains_of_a_mistake(self):
        unit = self.root / "etc/systemd/system/runnel.service"
        unit.write_text(unit.read_text().replace("ProtectClock", "ProtectClok"))
        self.assertIn("ProtectClok", self.analyze("verify"))

    def test_it_is_exposed_to_little(self):
        report = places.output(
            "systemd-analyze",
            "security",
            "--offline=true",
            f"--threshold={EXPOSURE}",
            f"--root={self.root}",
            "runnel.service",
        )
        self.assertIn("Overall exposure level for runnel.service", report)

    def test_buildroot_has_the_same(self):
        packaged = places.BUILDROOT / "package" / "runnel" / "runnel.service"
        self.assertEqual(packaged.read_bytes(), UNIT.read_bytes())
