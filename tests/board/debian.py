"""Debian packages of any architecture, unpacked into a folder of ours.

Nothing is installed and nobody needs to be root: apt gets its own lists and its own
cache, reads the machine's list of archives, and trusts the machine's keys.
"""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import places

# Packages that the machine itself has are looked up there, and not fetched again.
STATUS = "/var/lib/dpkg/status"


class Archive:
    """`release` is another Debian than the machine's own, from the same archive."""

    def __init__(self, architecture, release=None):
        self._architecture = architecture
        self._release = release
        self._folder = places.BOARD / "apt" / f"{architecture}-{release or 'own'}"
        self._config = self._folder / "apt.conf"
        self._is_fresh = False

    def unpack(self, packages, folder):
        """Unpacks `packages`, once: a folder that is there is complete."""
        self._fill(folder, packages, lambda into: self._apt("download", *packages, cwd=into))

    def unpack_with_libraries(self, packages, folder):
        """The same with all that they need and this machine does not have.

        Installing them could make apt remove what somebody else needs.
        """

        def fetch(into):
            (into / "partial").mkdir()
            options = ["-o", f"Dir::State::status={STATUS}", "-o", f"Dir::Cache::archives={into}"]
            wish = ["--download-only", "--no-install-recommends", "--reinstall", "--yes"]
            self._apt("install", *options, *wish, *packages)

        self._fill(folder, packages, fetch)

    def dependency(self, package, start):
        """The package that a package without contents stands for."""
        self._refresh()
        lines = self._run("apt-cache", "depends", package).stdout.splitlines()
        names = [line.split()[-1] for line in lines if "Depends:" in line]
        return next(name for name in names if name.startswith(start))

    def _fill(self, folder, packages, fetch):
        if folder.exists():
            return
        print(f"board: fetching {' '.join(packages)} ({self._architecture})", flush=True)
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as work:
            debs, tree = Path(work, "debs"), Path(work, "tree")
            debs.mkdir()
            self._refresh()
            fetch(debs)
            for deb in debs.glob("*.deb"):
                subprocess.run(["dpkg", "-x", deb, tree], check=True)
            tree.rename(folder)

    def _refresh(self):
        """Gets the lists, once in a run: old ones name files that are gone.

        An archive that does not answer well matters only if a package comes from it.
        """
        if not self._is_fresh:
            self._configure()
            self._apt("update", check=False)
            self._is_fresh = True

    def _configure(self):
        shutil.rmtree(self._folder, ignore_errors=True)
        for name in ("lists/partial", "cache/archives/partial", "etc"):
            (self._folder / name).mkdir(parents=True)
        (self._folder / "status").touch()
        settings = {
            "APT::Architecture": self._architecture,
            "APT::Architectures": self._architecture,
            # apt would drop to a user who may not write here.
            "APT::Sandbox::User": "root",
            "Acquire::Languages": "none",
            "Acquire::Retries": "3",
            "Debug::NoLocking": "true",
            "Dir::Cache": self._folder / "cache",
            "Dir::State::lists": self._folder / "lists",
            "Dir::State::status": self._folder / "status",
        }
        if self._release:
            settings |= self._other_release()
        lines = [f'{name} "{value}";' for name, value in settings.items()]
        # A list in apt's own settings grows; it has to be emptied first.
        self._config.write_text("\n".join(["#clear APT::Architectures;", *lines]) + "\n")

    def _other_release(self):
        """An own list of archives: the machine's, with another release."""
        wish = ["apt-get", "update", "--print-uris"]
        uris = subprocess.run(wish, check=True, capture_output=True, text=True).stdout
        archive = re.search(r"'(\S+/debian/?)/dists/", uris)[1]
        source = self._folder / "etc" / "sources.list"
        source.write_text(f"deb {archive} {self._release} main\n")
        return {"Dir::Etc::sourcelist": source, "Dir::Etc::sourceparts": "/dev/null"}

    def _apt(self, *words, **how):
        return self._run("apt-get", "-qq", *words, **how)

    def _run(self, *words, cwd=None, check=True):
        command = [words[0], "-c", self._config, *words[1:]]
        done = subprocess.run(command, cwd=cwd, capture_output=True, text=True)
        failed = check and done.returncode != 0
        assert not failed, f"{' '.join(map(str, words))}\n{done.stdout}{done.stderr}"
        return done
