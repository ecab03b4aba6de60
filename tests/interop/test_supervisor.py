"""Those who look after the server: systemd by its socket, the kernel's watchdog."""

import os
import signal
import socket
import time

import waiting
from case import Case

WITHIN = 5


class Supervisor(Case):
    def serve_under_systemd(self, **sections):
        """Starts the server with a socket of ours to report to."""
        path = str(self.directory / "notify")
        self.told = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.told.close)
        self.told.bind(path)
        self.told.settimeout(WITHIN)
        env = {"NOTIFY_SOCKET": path, "WATCHDOG_USEC": "4000000"}
        return self.serve(env=env, **sections)

    def next_word(self, besides=()):
        """Its next report, except for those that are repeated all the time."""
        while True:
            words = self.told.recv(4096).decode().split()
            if words != list(besides):
                return words

    def test_systemd_hears_of_every_change(self):
        self.serve_under_systemd()
        well = ["WATCHDOG=1"]
        self.assertEqual(self.next_word(), ["READY=1"])
        beats = []
        for _ in range(3):
            self.assertEqual(self.next_word(), well)
            beats.append(time.monotonic())
        self.assertLess(beats[2] - beats[0], 4, "WATCHDOG_USEC is 4 s")
        self.server.program.signal(signal.SIGHUP)
        reloading, time_of_it = self.next_word(well)
        self.assertEqual(reloading, "RELOADING=1")
        usec = int(time_of_it.removeprefix("MONOTONIC_USEC="))
        self.assertLess(abs(time.clock_gettime(time.CLOCK_MONOTONIC) - usec / 1e6), WITHIN)
        self.assertEqual(self.next_word(well), ["READY=1"])
        self.server.stop()
        self.assertEqual(self.next_word(well), ["STOPPING=1"])


class Watchdog(Case):
    def serve_with_watchdog(self):
        """Starts the server with a pipe in place of the device; gives its other end."""
        path = self.directory / "watchdog"
        os.mkfifo(path)
        device = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        self.addCleanup(os.close, device)
        self.serve(process={"watchdog": path})
        return device

    def food(self, device):
        try:
            return os.read(device, 4096)
        except BlockingIOError:
            return b""

    def test_it_is_fed_while_all_is_well_and_told_of_the_end(self):
        device = self.serve_with_watchdog()
        for _ in range(3):
            food = waiting.until(lambda: self.food(device), WITHIN, "food")
            self.assertEqual(set(food), {0})
        self.server.stop()
        self.assertEqual(self.food(device)[-1:], b"V")

    def test_a_crash_is_no_end(self):
        device = self.serve_with_watchdog()
        waiting.until(lambda: self.food(device), WITHIN, "food")
        self.server.kill()
        self.assertNotIn(b"V", self.food(device))

    def test_a_server_that_hangs_feeds_nobody(self):
        device = self.serve_with_watchdog()
        waiting.until(lambda: self.food(device), WITHIN, "food")
        self.server.program.signal(signal.SIGSTOP)
        waiting.until(lambda: self.server.status("State") == ["T", "(stopped)"], WITHIN, "a halt")
        self.food(device)
        time.sleep(2.5)  # two meals are missed
        self.assertEqual(self.food(device), b"")
        self.server.program.signal(signal.SIGCONT)
        waiting.until(lambda: self.food(device), WITHIN, "food")
