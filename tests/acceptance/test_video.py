"""Cameras: streams and files with noise that is known, recordings, and servers that are no cameras."""

import contextlib
import os
import re
import socket
import subprocess
import threading

import pytest
from conftest import QANAT, eventually, fetch, free_port, need, qanat

WIDTH, HEIGHT = 320, 240


def noise(levels=16, around=120):
    """A picture of brightness `around`, with noise of so many levels."""
    table = bytes(around + b % levels for b in range(256))
    return os.urandom(WIDTH * HEIGHT).translate(table)


def y4m(pictures):
    return f"YUV4MPEG2 W{WIDTH} H{HEIGHT} F30:1 Ip A1:1 Cmono\n".encode() + b"".join(b"FRAME\n" + p for p in pictures)


def encode(container, content, quality):
    """Each picture as JPEG."""
    need("ffmpeg")
    done = subprocess.run(["ffmpeg", "-v", "error", "-f", container, "-i", "-", "-pix_fmt", "yuvj420p", "-c:v", "mjpeg", "-q:v", str(quality),
                           "-f", "mpjpeg", "-"], input=content, capture_output=True, check=True)
    parts = (part.partition(b"\r\n\r\n")[2].removesuffix(b"\r\n") for part in done.stdout.split(b"--ffmpeg\r\n"))
    return [part for part in parts if part]


def jpegs(pictures, quality=3):
    return encode("yuv4mpegpipe", y4m(pictures), quality)


class Server:
    """Each connection is given to `talk(connection)` once its request has come."""

    def __init__(self, talk):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.asked = []
        self.talk = talk
        self.ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self):
        with contextlib.suppress(OSError):
            while True:
                connection = self.listener.accept()[0]
                threading.Thread(target=self._serve, args=(connection,), daemon=True).start()

    def _serve(self, connection):
        with contextlib.suppress(OSError), connection:
            request = b""
            while b"\r\n\r\n" not in request:
                piece = connection.recv(4096)
                if not piece:
                    return
                request += piece
            self.asked.append(request)
            self.talk(self, connection)

    def close(self):
        self.ended.set()
        self.listener.close()


@pytest.fixture
def server():
    started = []

    def start(talk):
        started.append(Server(talk))
        return started[-1]

    yield start
    for one in started:
        one.close()


HEADERS = b"HTTP/1.1 200 OK\r\nContent-Type: multipart/x-mixed-replace;boundary=frame\r\n\r\n"


def part(jpeg):
    return b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: %d\r\n\r\n%s\r\n" % (len(jpeg), jpeg)


def camera(frames):
    """Shows them one after the other, as fast as they are taken; `frames` is asked for each connection."""

    def talk(server, connection):
        connection.sendall(HEADERS)
        for frame in frames():
            connection.sendall(part(frame))

    return talk


def forever(frames):
    while True:
        yield from frames


def serve(run, *sources, name="node"):
    arguments = [word for source in sources for word in ("--source", source)]
    port = free_port()
    node = run("serve", *arguments, "--outlet", f"http://127.0.0.1:{port}", name=name).up()
    node.port = port
    return node


def by_case(node, names):
    """What the status says of all of them at once; `names`: the case of each source's name."""
    return {names[s["name"]]: s for s in node.status()["sources"] if s["name"] in names}


def test_a_streams_noise_is_credited(run, tmp_path):
    clip = tmp_path / "clip.y4m"
    clip.write_bytes(y4m(noise() for _ in range(60)))
    need("ffmpeg")
    port = free_port()
    url = f"http://127.0.0.1:{port}/s.mjpg"
    real = subprocess.Popen(["ffmpeg", "-v", "error", "-re", "-f", "lavfi", "-i", "testsrc2=s=320x240:r=30,noise=alls=40:allf=t+u", "-c:v", "mjpeg",
                             "-q:v", "3", "-f", "mpjpeg", "-listen", "1", url], stdin=subprocess.DEVNULL)
    try:
        # JPEGs one after another, of 90 kB each: FFmpeg calls them "jpeg_pipe", whose length nobody knows.
        raw = tmp_path / "raw.mjpeg"
        subprocess.run(["ffmpeg", "-v", "error", "-f", "lavfi", "-i", "testsrc2=s=640x480:r=25:d=2,noise=alls=20:allf=t+u", "-c:v", "mjpeg", "-q:v", "3",
                        str(raw)], stdin=subprocess.DEVNULL, check=True)
        names = [f"video:{clip}", f"video:{url}", f"video:{raw}"]
        eventually(lambda: f":{port:04X} " in open("/proc/net/tcp").read())
        node = serve(run, *names)
        for name in names:
            eventually(lambda: node.source(name)["ledger"]["credited"] > 0)
        source = node.source(f"video:{url}")
        assert source["h"] == 0.5 and source["credit"], source
        assert (source["readings"]["width_pixels"], source["readings"]["height_pixels"]) == (320, 240), source
        assert source["readings"]["change_of_255"] > 1 and source["readings"]["unchanged_ratio"] < 0.5, source
        metrics = fetch(node.port, "/metrics")[1].decode()
        assert re.search(r'qanat_source_reading\{.*reading="brightness_of_255".*\} \d', metrics), metrics
        # The file has ended, and is no camera when it begins anew.
        eventually(lambda: "a recording, not a camera" in node.source(f"video:{clip}")["detail"])
    finally:
        real.kill()
        real.wait()
    assert node.stop() == 0


def test_what_no_camera_shows_fails_in_words(run, server):
    quiet = jpegs([bytes([120]) * (WIDTH * HEIGHT - 9000) + noise(3)[:9000] for _ in range(60)])
    cases = {
        "black": (jpegs([noise(2, 1)] * 1), "the picture is black"),
        "saturated": (jpegs([bytes([255]) * (WIDTH * HEIGHT)]), "the picture is saturated"),
        "frozen": (jpegs([noise()]), "the picture is frozen: each is the same as the one before"),
        "quiet": (quiet, "too little noise for what is claimed"),
    }
    names = {}
    for case, (frames, _) in cases.items():
        one = server(camera(lambda frames=frames: forever(frames)))
        names[f"video:http://127.0.0.1:{one.port}/{case}"] = case
    node = serve(run, *names)
    sources = eventually(lambda: (all_of := by_case(node, names)) and all(s["state"] == "failed" for s in all_of.values()) and all_of)
    for case, source in sources.items():
        assert cases[case][1] in source["detail"] and source["ledger"]["credited"] == 0, source
    assert node.stop() == 0


def test_ten_seconds_shown_again_are_noticed(run, server):
    first = jpegs([noise() for _ in range(300)])
    again = encode("mjpeg", b"".join(first), 5)
    assert first != again and len(first) == len(again) == 300

    def frames():
        yield from first
        yield from forever(again)

    one = server(camera(frames))
    name = f"video:http://127.0.0.1:{one.port}/loop?h=0.25"
    node = serve(run, name)
    source = eventually(lambda: (s := node.source(name))["state"] == "failed" and s)
    assert re.search(r"this was shown \d+\.\d s ago \(300 pictures\): a recording, not a camera", source["detail"]), source
    credited = source["ledger"]["credited"]
    # 300 pictures of at most 2,048 samples, and those that it took to be sure.
    assert 0 < credited <= 310 * 2048 / 4, source
    assert len(one.asked) == 1
    assert node.stop() == 0


def test_servers_that_are_no_cameras_are_gone_and_hold_nothing_up(run, server, tmp_path):
    good = jpegs([noise() for _ in range(3)])
    secret = tmp_path / "secret.y4m"
    secret.write_bytes(y4m(noise() for _ in range(60)))
    elsewhere = server(lambda server, connection: connection.sendall(b"HTTP/1.1 404 no\r\n\r\n"))

    def hang(server, connection):
        server.ended.wait()

    def endless(start, piece):
        def talk(server, connection):
            connection.sendall(start)
            while not server.ended.is_set():
                connection.sendall(piece)

        return talk

    def say(*pieces):
        def talk(server, connection):
            for piece in pieces:
                connection.sendall(piece)

        return talk

    def drip(server, connection):
        connection.sendall(HEADERS)
        while not server.ended.wait(0.3):
            connection.sendall(b"-")

    head = b"HTTP/1.1 200 OK\r\nContent-Type: %s\r\n\r\n"
    # A picture whose size is changed in its header (SOF0).
    sof = good[0].index(b"\xff\xc0")
    huge = good[0][: sof + 5] + b"\xff\xdc\xff\xdc" + good[0][sof + 9 :]
    hls = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile://%s\n#EXT-X-ENDLIST\n" % str(secret).encode()
    rude = {
        "hang": hang,
        "drip": drip,
        "headers": endless(b"HTTP/1.1 200 OK\r\n", b"X-A: " + b"b" * 1000 + b"\r\n"),
        "garbage": endless(head % b"video/x-motion-jpeg", os.urandom(1 << 16)),
        "zeros": endless(HEADERS, bytes(1 << 16)),
        "part": endless(HEADERS + b"--frame\r\nContent-Type: image/jpeg\r\nContent-Length: 2000000000\r\n\r\n\xff\xd8", b"x" * (1 << 16)),
        "huge": say(HEADERS, part(huge), part(huge), part(huge)),
        "wide": say(head % b"video/x-yuv4mpeg", b"YUV4MPEG2 W100000 H100000 F30:1 Ip A1:1 Cmono\nFRAME\n", bytes(1 << 16)),
        "cut": say(HEADERS, part(good[0]), part(good[1])[:2000]),
        "nothing": say(),
        "playlist": say(head % b"application/vnd.apple.mpegurl", hls),
        "concat": say(head % b"text/plain", b"ffconcat version 1.0\nfile '%s'\n" % str(secret).encode()),
        "elsewhere": say(b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:%d/\r\n\r\n" % elsewhere.port),
        "file": say(b"HTTP/1.1 302 Found\r\nLocation: file://%s\r\n\r\n" % str(secret).encode()),
        "who": say(b"HTTP/1.1 401 hunter2 is wrong\r\nWWW-Authenticate: Basic realm=hunter2\r\n\r\n"),
    }
    names = {f"video:http://..@127.0.0.1:{server(talk).port}/{case}?pwd=..": case for case, talk in rude.items()}
    node = serve(run, *(name.replace("..@", "admin:hunter2@").replace("pwd=..", "pwd=letmein") for name in names))
    sources = eventually(lambda: (all_of := by_case(node, names)) and all(s["state"] not in ("start-up", "healthy") for s in all_of.values()) and all_of)
    for case, source in sources.items():
        assert source["state"] == "gone" and source["ledger"]["credited"] == 0, (case, source)
        assert case == "cut" or source["bytes"] == 0, (case, source)
    assert not elsewhere.asked
    for case, words in (("hang", "no picture"), ("cut", "closed the connection"), ("playlist", "a playlist"), ("elsewhere", "somewhere else"),
                        ("who", "401")):
        assert words in sources[case]["detail"], sources[case]
    said = node.log() + qanat("status", "--json", "--state", str(node.state)).stdout + fetch(node.port, "/metrics")[1].decode()
    for hidden in ("hunter2", "letmein", "admin"):
        assert hidden not in said, said
    with open(f"/proc/{node.process.pid}/status") as f:
        memory = int(re.search(r"VmHWM:\s+(\d+)", f.read())[1])
    assert memory < 1_000_000, memory
    # While some hang, and others are being tried again.
    assert node.stop() == 0


def test_a_stop_ends_a_wait_for_a_camera(run, server):
    answered = threading.Event()
    picture = part(jpegs([noise()])[0])

    def silent(server, connection):
        answered.set()
        server.ended.wait()

    def one_picture(server, connection):
        connection.sendall(HEADERS + picture)
        silent(server, connection)

    for name, talk in (("opening", silent), ("waiting", one_picture)):
        one = server(talk)
        answered.clear()
        node = serve(run, f"video:http://127.0.0.1:{one.port}/", name=name)
        assert answered.wait(30)
        assert node.stop(5) == 0
    fifo = f"{node.state}.fifo"
    os.mkfifo(fifo)
    node = serve(run, f"video:{fifo}", name="fifo")
    assert node.stop(5) == 0


def test_what_is_wrong_with_a_name_is_said():
    for name, words in (("video:ftp://u:hunter2@cam/x", "http, https, rtsp"), ("video:rtsp://u:hunter2@cam/x?h=9", "h=9 is not a min-entropy"),
                        ("video:/dev/video0?x=1", "unknown option 'x'"), ("video:tcp://u:hunter2@cam/x", "HOST:PORT")):
        done = qanat("serve", "--source", name, check=False)
        assert done.returncode == 2 and words in done.stderr and "hunter2" not in done.stderr, done.stderr


def test_a_camera_is_asked_by_no_proxy(tmp_path):
    """It would see the password, and could be the camera of this machine, which is credited."""
    with socket.socket() as proxy:
        proxy.bind(("127.0.0.1", 0))
        proxy.listen()
        proxy.setblocking(False)
        url = f"http://u:s3cr3t@127.0.0.1:{free_port()}/cam"
        env = dict(os.environ, http_proxy=f"http://127.0.0.1:{proxy.getsockname()[1]}/")
        done = subprocess.run([QANAT, "sources", f"video:{url}"], env=env, capture_output=True, text=True)
        assert done.returncode == 1 and "s3cr3t" not in done.stdout + done.stderr, done
        with pytest.raises(BlockingIOError):
            proxy.accept()
