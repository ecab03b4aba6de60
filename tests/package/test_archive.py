"""The archive of a release for devices: it brings what a board needs beside the program."""

import shutil
import tarfile
import tempfile
import unittest
from pathlib import Path

import places

TITLE = f"runnel-{places.cargo()['package']['version']}-mipsel"


class Archive(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="runnel-archive-"))
        self.addCleanup(shutil.rmtree, self.folder)
        (self.folder / "mipsel").mkdir()
        shutil.copy(places.RUNNEL, self.folder / "mipsel" / "runnel")

    def unpacked(self):
        script = 'source "$1/common.sh" && archive mipsel "$2"'
        places.output("bash", "-ec", script, "archive", places.BOARD, self.folder)
        with tarfile.open(self.folder / f"{TITLE}.tar.gz") as archive:
            archive.extractall(self.folder)
        return self.folder / TITLE

    def test_every_board_s_configuration_is_in_it(self):
        root = self.unpacked()
        boards = [path.parent for path in places.BOARD.glob("*/runnel.toml")]
        self.assertGreater(len(boards), 2)
        for board in [*boards, places.BOARD / "openwrt"]:
            for path in board.rglob("*"):
                if path.is_file():
                    copy = root / "board" / path.relative_to(places.BOARD)
                    self.assertEqual(copy.read_bytes(), path.read_bytes())
        for conf in [*root.glob("board/*/runnel.toml"), *root.glob("conf/*.toml")]:
            places.output(root / "runnel", "--plan", "-c", conf)

    def test_what_the_readmes_copy_from_it_is_in_it(self):
        root = self.unpacked()
        self.assertTrue((root / "board/openwrt/runnel/files/runnel.init").stat().st_mode & 0o400)
        for name in ("init/runnel", "init/runnel.service", "README.md", "docs/devices.md", "LICENSE", "conf/box.toml"):
            self.assertTrue((root / name).is_file(), name)
        self.assertEqual((root / "init/runnel").stat().st_mode & 0o777, 0o755)
