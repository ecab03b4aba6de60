"""The unit, run by systemd itself, with the real program."""

import booted

CONF = 'profile = "tiny"\n'


class Service(booted.Machine):
    def test_it_is_ready_serves_and_may_do_nothing_else(self):
        self.conf(CONF)
        self.boot("""
            await active
            systemctl is-active runnel
            healthy
            grep -E "^(CapEff|NoNewPrivs|Seccomp):" /proc/$(show MainPID)/status
            [[ $(ps -o user= -p $(show MainPID)) != root ]] && echo "not root"
            systemctl stop runnel
            show Result
            """)
        self.assert_says(
            "active",
            "HTTP/1.[01] 200 OK",
            "CapEff:\t0+",
            "NoNewPrivs:\t1",
            "Seccomp:\t2",
            "not root",
            "success",
        )

    def test_reload_keeps_the_process_and_refuses_a_mistake(self):
        self.conf(CONF)
        self.boot("""
            await active
            first=$(show MainPID)
            echo 'log.level = "debug"' >>/etc/runnel.toml
            systemctl reload runnel && echo "reloaded"
            echo "nonsense = 1" >/etc/runnel.toml
            systemctl reload runnel 2>/dev/null || echo "refused"
            systemctl is-active runnel
            [[ $first = $(show MainPID) ]] && healthy
            """)
        self.assert_says("reloaded", "refused", "active", "HTTP/1.[01] 200 OK")

    def test_keys_of_root_and_the_card_of_a_group_are_handed_over(self):
        """By the lines that the unit's comments name; without them nothing of it is there."""
        credentials = "/run/credentials/runnel.service"
        self.put("etc/keys.toml", b'[tls]\ncert = "/etc/keys/c.pem"\nkey = "/etc/keys/k.pem"\n')
        files = "".join(f'{name} = "{credentials}/{name}.pem"\n' for name in ("cert", "key"))
        card = '[[record]]\nstreams = "*"\npath = "/srv/card"\n'
        self.conf(f'{CONF}memory.total = "14MiB"\n[tls]\n{files}{card}')
        lines = [f"LoadCredential={name}.pem:/etc/keys/{name[0]}.pem" for name in ("cert", "key")]
        lines += ["SupplementaryGroups=video", "ReadWritePaths=-/srv/card"]
        self.adapt("\n".join(["[Service]", *lines, ""]))
        check = "[Service]\nExecStartPre=-/usr/bin/runnel --check -c /etc/runnel.toml\n"
        self.put("etc/systemd/system/runnel.service.d/check.conf", check.encode())
        self.boot("""
            mkdir -m 700 /etc/keys
            mkdir -m 2775 /srv/card
            chgrp video /srv/card
            runnel -c /etc/keys.toml --make-cert >/dev/null
            log() { journalctl -u runnel -o cat; }
            said() { log | grep "$1"; }
            systemctl restart runnel
            await active
            await said "https listens"
            await said "sound; profile"
            systemctl reload runnel && echo "reloaded"
            rm /etc/systemd/system/runnel.service.d/tests.conf
            systemctl daemon-reload
            systemctl restart runnel
            await active
            await said "no client is served over TLS"
            await said "record.path: /srv/card"
            """)
        self.assert_says("reloaded")

    def test_a_wrong_configuration_is_not_tried_again(self):
        self.conf("nonsense = 1\n")
        self.adapt("[Service]\nRestartSec=100ms\n")
        self.boot("""
            failed() { [[ $(systemctl is-active runnel) = failed ]]; }
            await failed
            show ExecMainStatus
            show NRestarts
            """)
        self.assert_says("78", "0")

    def test_a_port_that_is_taken_is_tried_again(self):
        self.conf(CONF)
        self.adapt("[Service]\nRestartSec=100ms\n")
        self.boot("""
            await active
            systemctl stop runnel
            python3 -m http.server 8080 2>/dev/null &
            taken() { (: </dev/tcp/127.0.0.1/8080); }
            await taken
            systemctl start runnel 2>/dev/null || echo "taken"
            kill %1
            await active
            healthy
            """)
        self.assert_says("taken", "HTTP/1.[01] 200 OK")

    def test_a_server_that_hangs_is_replaced(self):
        self.conf(CONF)
        self.adapt("[Service]\nWatchdogSec=1s\nRestartSec=100ms\nLimitCORE=0\n")
        self.boot("""
            await active
            first=$(show MainPID)
            sleep 3  # three times the watchdog's time
            [[ $first = $(show MainPID) ]] && echo "left alone"
            kill -STOP "$first"
            replaced() { [[ $(show NRestarts) = 1 ]]; }
            await replaced
            await active
            healthy
            """)
        self.assert_says("left alone", "HTTP/1.[01] 200 OK")
