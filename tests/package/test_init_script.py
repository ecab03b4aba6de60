"""The init script, under BusyBox, with the real program."""

import inside
import places

CONF = 'profile = "tiny"\n'
RUN = "/etc/init.d/runnel"


class InitScript(inside.Device):
    def setUp(self):
        super().setUp()
        self.service(places.BOARD / "init" / "runnel")
        self.put("etc/runnel.toml", CONF)

    def test_starts_answers_and_stops(self):
        self.run_inside(f"""
            {RUN} status; echo "status $?"
            {RUN} start; echo "start $?"
            healthy
            pid=$(cat /var/run/runnel.pid)
            {RUN} status; echo "status $?"
            {RUN} stop; echo "stop $?"
            alive "$pid"
            ls /var/run
            {RUN} stop; echo "stop $?"
            """)
        self.assert_says(
            "runnel is stopped",
            "status 3",
            "Starting runnel: OK",
            "start 0",
            "healthy",
            "runnel runs",
            "status 0",
            "Stopping runnel: OK",
            "stop 0",
            "gone",
            "Stopping runnel: OK",
            "stop 0",
        )

    def test_start_leaves_a_running_server_alone(self):
        self.run_inside(f"""
            {RUN} start; healthy
            first=$(cat /var/run/runnel.pid)
            {RUN} start; echo "start $?"
            [ "$first" = "$(cat /var/run/runnel.pid)" ] && alive "$first"
            """)
        self.assert_says(
            "Starting runnel: OK",
            "healthy",
            r"Starting runnel: OK \(it runs already\)",
            "start 0",
            "alive",
        )

    def test_restart_is_another_process(self):
        self.run_inside(f"""
            {RUN} start; healthy
            first=$(cat /var/run/runnel.pid)
            {RUN} restart; echo "restart $?"
            healthy
            alive "$first"
            [ "$first" != "$(cat /var/run/runnel.pid)" ] && {RUN} status
            """)
        self.assert_says(
            "Starting runnel: OK",
            "healthy",
            "Restarting runnel: OK",
            "restart 0",
            "healthy",
            "gone",
            "runnel runs",
        )

    def test_reload_reaches_the_running_process(self):
        # A log file is opened anew: the one that was moved away comes back.
        self.put("etc/runnel.toml", CONF + '[log]\ntarget = "/tmp/runnel.log"\n')
        self.run_inside(f"""
            {RUN} start; healthy
            first=$(cat /var/run/runnel.pid)
            mv /tmp/runnel.log /tmp/old.log
            {RUN} reload; echo "reload $?"
            await test -e /tmp/runnel.log && echo "a new log"
            alive "$first"
            healthy
            {RUN} stop
            {RUN} reload; echo "reload $?"
            """)
        self.assert_says(
            "Starting runnel: OK",
            "healthy",
            "Reloading runnel: OK",
            "reload 0",
            "a new log",
            "alive",
            "healthy",
            "Stopping runnel: OK",
            "Reloading runnel: FAIL",
            "reload 1",
        )

    def test_a_wrong_configuration_starts_nothing(self):
        self.put("etc/runnel.toml", "nonsense = 1\n")
        self.run_inside(f'{RUN} start 2>/dev/null; echo "start $?"; {RUN} status; ls /var/run')
        self.assert_says("Starting runnel: FAIL", "start 78", "runnel is stopped")

    def test_a_wrong_configuration_stops_nothing(self):
        self.put("etc/default/runnel", 'RUNNEL_ARGS="-c /tmp/runnel.toml"\n')
        self.run_inside(f"""
            cp /etc/runnel.toml /tmp
            {RUN} start; healthy
            first=$(cat /var/run/runnel.pid)
            echo "nonsense = 1" >/tmp/runnel.toml
            {RUN} reload 2>/dev/null; echo "reload $?"
            {RUN} restart 2>/dev/null; echo "restart $?"
            alive "$first"
            healthy
            """)
        self.assert_says(
            "Starting runnel: OK",
            "healthy",
            "Reloading runnel: FAIL",
            "reload 78",
            "Restarting runnel: FAIL",
            "restart 78",
            "alive",
            "healthy",
        )

    def test_a_stale_pid_file_harms_nobody(self):
        self.run_inside(f"""
            sleep 1000 &
            other=$!
            echo "$other" >/var/run/runnel.pid
            {RUN} status; echo "status $?"
            {RUN} stop
            alive "$other"
            {RUN} start; healthy
            {RUN} stop
            alive "$other"
            """)
        self.assert_says(
            "runnel is dead, and left /var/run/runnel.pid",
            "status 1",
            "Stopping runnel: OK",
            "alive",
            "Starting runnel: OK",
            "healthy",
            "Stopping runnel: OK",
            "alive",
        )

    def test_a_server_that_was_killed_is_seen_and_started(self):
        self.run_inside(f"""
            {RUN} start; healthy
            kill -KILL "$(cat /var/run/runnel.pid)"
            dead() {{ ! {RUN} status >/dev/null; }}
            await dead
            {RUN} status; echo "status $?"
            {RUN} start; healthy
            """)
        self.assert_says(
            "Starting runnel: OK",
            "healthy",
            "runnel is dead, and left /var/run/runnel.pid",
            "status 1",
            "Starting runnel: OK",
            "healthy",
        )

    def test_a_server_that_hangs_is_killed(self):
        self.run_inside(f"""
            {RUN} start; healthy
            pid=$(cat /var/run/runnel.pid)
            kill -STOP "$pid"
            {RUN} stop; echo "stop $?"
            alive "$pid"
            """)
        self.assert_says("Starting runnel: OK", "healthy", "Stopping runnel: OK", "stop 0", "gone")

    def test_defaults_choose_file_and_limit(self):
        self.put("etc/default/runnel", 'RUNNEL_ARGS="-c /etc/other.toml"\nulimit -n 777\n')
        self.put("etc/other.toml", CONF + '[http]\nlisten = "127.0.0.1:8081"\n')
        self.run_inside(f"""
            {RUN} start; healthy 8081
            grep "open files" "/proc/$(cat /var/run/runnel.pid)/limits" | tr -s " "
            """)
        self.assert_says("Starting runnel: OK", "healthy", "Max open files 777 777 files ?")

    def test_anything_else_is_refused(self):
        self.run_inside(f'{RUN} dance; echo "dance $?"; {RUN}; echo "nothing $?"')
        usage = r"Usage: /etc/init.d/runnel \{start\|stop\|restart\|reload\|status\}"
        self.assert_says(usage, "dance 64", usage, "nothing 64")

    def test_buildroot_has_the_same(self):
        script = (places.BOARD / "init" / "runnel").read_bytes()
        packaged = places.BUILDROOT / "package" / "runnel" / "S80runnel"
        self.assertEqual(packaged.read_bytes(), script)
