"""Every board's configuration: it is sound, it fits, and the readme tells its budget."""

import tempfile
import tomllib
import unittest

import budgets
import places


class Configurations(unittest.TestCase):
    def files(self):
        found = [*places.BOARD.rglob("*.toml"), *places.BUILDROOT.rglob("*.toml")]
        self.assertGreater(len(found), 3)
        return found

    def test_each_is_sound_and_fits(self):
        for path in self.files():
            with self.subTest(path=path):
                # not --check, which looks for its user and devices on this machine
                places.output(places.RUNNEL, "--plan", "-c", path)

    def test_a_wrong_one_is_refused(self):
        # or the test above would prove nothing
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write("nonsense = 1\n")
            file.flush()
            reason = places.output(places.RUNNEL, "--plan", "-c", file.name, ok=False)
        self.assertIn("nonsense", reason)

    def test_the_readmes_tell_the_budget_that_the_program_tells(self):
        for board, text in budgets.readmes():
            with self.subTest(board=board.name):
                self.assertEqual(
                    text, budgets.with_plans(board, text), "run tests/package/budgets.py"
                )

    def test_no_board_writes_to_flash(self):
        in_memory = ("", "stderr", "syslog")
        for path in self.files():
            conf = tomllib.loads(path.read_text())
            target = conf.get("log", {}).get("target", "stderr")
            with self.subTest(path=path):
                self.assertTrue(target in in_memory or target.startswith(("/tmp/", "/run/")))


class Boards(unittest.TestCase):
    def test_each_has_what_a_board_needs(self):
        for board in budgets.boards():
            with self.subTest(board=board.name):
                text = (board / "readme.txt").read_text()
                self.assertIn("Not tested:", text)
                self.assertTrue((board / "runnel.toml").exists())

    def test_the_table_of_machines_is_that_of_the_tests(self):
        namespace = {"__name__": "targets"}
        source = places.ROOT / "tests" / "board" / "targets.py"
        exec(compile(source.read_text(), source, "exec"), namespace)
        wanted = {
            target.name: [str(target.memory), target.kernel] for target in namespace["TARGETS"]
        }
        lines = (places.BOARD / "qemu" / "readme.txt").read_text().splitlines()
        rows = [line.split() for line in lines]
        told = {row[0]: row[1:3] for row in rows if len(row) > 2 and row[0] in wanted}
        self.assertEqual(told, wanted)
