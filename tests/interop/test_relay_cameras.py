"""Peculiarities of cameras: their redirects, and the arrival of their packets."""

import threading

import flv
import sample
from camera import Camera
from relay_case import STREAM, RelayCase


class Cameras(RelayCase):
    def pull(self, camera, **keys):
        self.serve(pull=[{"stream": STREAM, "url": camera.url, **keys}])

    def check_sound(self):
        capture = self.capture(self.server.flv(STREAM))
        capture.until_span(1000)
        self.assertEqual(sample.codecs(flv.samples(capture.stop())), {"alaw"})

    def test_each_way_is_pulled_as_it_is_asked_for(self):
        for way in ("tcp", "udp"):
            with self.subTest(way):
                camera = Camera(self, way)
                self.server = self.serve_another(way, pull=[self.camera_table(camera, way)])
                self.check_sound()
                self.assertEqual(camera.statuses("SETUP"), [200])

    def camera_table(self, camera, way):
        return {"stream": STREAM, "url": camera.url, "udp": way == "udp"}

    def test_one_that_has_udp_alone_is_pulled_by_udp(self):
        camera = Camera(self, "udp")
        self.pull(camera)
        self.check_sound()
        self.assertEqual(camera.statuses("SETUP"), [461, 200])
        self.assertEqual(camera.statuses("DESCRIBE"), [200])

    def test_one_that_has_tcp_alone_is_pulled_by_tcp(self):
        camera = Camera(self, "tcp")
        self.pull(camera, udp=True)
        self.check_sound()
        self.assertEqual(camera.statuses("SETUP"), [461, 200])
        self.assertEqual(self.server.metric("runnel_udp_pairs"), 0)

    def test_where_udp_is_off_and_the_camera_has_nothing_else_it_is_told(self):
        camera = Camera(self, "udp")
        self.serve(pull=[self.camera_table(camera, "tcp")], rtsp={"udp": False})
        self.until_log_counts("pulling cam rtsp://", 1)
        self.assertIn("461", self.server.log)

    def test_one_that_describes_late_leaves_the_name_to_who_publishes_meanwhile(self):
        camera = Camera(self, may_describe=threading.Event())
        self.serve(
            pull=[{"stream": STREAM, "url": camera.url}], publish={"conflict": "replace"}
        )
        self.assertTrue(camera.asked.wait(20))
        self.publish_live(STREAM)
        camera.may_describe()
        self.until_log_says("pulling cam .* the stream has a publisher already")
        self.assertNotIn("stops publishing", self.server.log)

    def test_one_that_counts_its_answers_in_a_way_of_its_own_is_pulled(self):
        self.pull(Camera(self, number="0"))
        self.check_sound()

    def test_noise_between_its_packets_is_passed_over_and_said(self):
        self.pull(Camera(self, noise=b"\0\0$$ok"))
        self.check_sound()
        self.assertIn("bytes between packets are ignored", self.server.log)
        self.assertNotIn("lost", self.server.log)

    def test_one_that_hangs_up_when_it_has_sent_something_is_called_soon(self):
        self.pull(Camera(self, hangs_up=20))
        self.until_log_counts("again in 1 s", 4, timeout=30)
        self.assertNotIn("again in 2 s", self.server.log)

    def test_one_that_has_moved_is_followed(self):
        there = Camera(self)
        here = Camera(self, moved_to=there.url)
        self.pull(here)
        self.check_sound()
        self.assertEqual(here.statuses("DESCRIBE"), [302])
        self.assertEqual(here.statuses("SETUP"), [])

    def test_one_that_has_moved_to_a_server_is_followed_with_its_password(self):
        self.serve_other(rtsp={"auth": "digest", "user": "camera", "password": "Tiger-97"})
        here = Camera(self, moved_to=self.other.rtsp(STREAM))
        url = here.url.replace("//", "//camera:Tiger-97@")
        self.serve(pull=[{"stream": STREAM, "url": url}])
        self.publish(STREAM, server=self.other)
        self.until_live(STREAM, 500)
        self.assertNotIn("Tiger-97", self.server.log)

    def test_one_that_sends_in_circles_is_given_up_for_a_while(self):
        camera = Camera(self)
        camera.moves_to(camera.url)
        self.pull(camera)
        self.until_log_counts("it redirects too often; again in 1 s", 1)
        self.assertEqual(len(camera.statuses("DESCRIBE")), 5)

    def test_to_another_protocol_nobody_is_sent(self):
        camera = Camera(self, moved_to="rtmp://127.0.0.1/live/x")
        self.pull(camera)
        self.until_log_counts("it redirects to a URL that cannot be used; again in 1 s", 1)
