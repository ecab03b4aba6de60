"""Each board's own configuration, started by the init script on a device with syslog."""

import inside
import places

RUN = "/etc/init.d/runnel"


class Start(inside.Device):
    def start(self, conf, feeds=False):
        """Starts it, and says what a board's maker would look for."""
        self.service(places.BOARD / "init" / "runnel")
        self.put("etc/runnel.toml", conf.read_text())
        self.run_inside(f"""
            syslogd -O /tmp/messages
            await test -S /dev/log
            # takes what the real one takes, which resets the machine when that ends
            : >/dev/watchdog
            {RUN} start
            healthy
            grep ^Uid "/proc/$(cat /var/run/runnel.pid)/status"
            {"await test -s /dev/watchdog" if feeds else ""}
            {RUN} stop
            echo "watchdog: $(tail -c 1 /dev/watchdog)"
            echo "syslog: $(grep -c "runnel.*listens" /tmp/messages) ports"
            """)

    def assert_ran(self, user, watchdog, ports):
        self.assert_says(
            "Starting runnel: OK",
            "healthy",
            rf"Uid:\t{user}\t{user}\t{user}\t{user}",
            "Stopping runnel: OK",
            f"watchdog: {watchdog}",
            f"syslog: {ports} ports",
        )

    def test_buildroot(self):
        self.start(places.BUILDROOT / "package" / "runnel" / "runnel.toml")
        self.assert_ran(user=800, watchdog="", ports=4)

    def test_raspberrypi_zero(self):
        self.start(places.BOARD / "raspberrypi-zero" / "runnel.toml", feeds=True)
        # V stops the real one, so that an orderly end resets nothing
        self.assert_ran(user=800, watchdog="V", ports=4)

    def test_openipc(self):
        # its small log is told of warnings only
        self.start(places.BOARD / "openipc" / "runnel.toml")
        self.assert_ran(user=65534, watchdog="", ports=0)
