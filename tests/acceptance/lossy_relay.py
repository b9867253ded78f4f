"""A path that loses datagrams, for the tests and for bench/trickle."""

import random
import socket
import threading


class LossyRelay(threading.Thread):
    """UDP from 127.0.0.2 to a hub at 127.0.0.1, losing each datagram with a probability, both ways."""

    def __init__(self, port, loss, seed=1):
        super().__init__(daemon=True)
        self.front = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.front.bind(("127.0.0.2", port))
        self.hub = ("127.0.0.1", port)
        self.loss = loss
        self.random = random.Random(seed)
        self.lost = 0

    def keep(self):
        if self.random.random() >= self.loss:
            return True
        self.lost += 1
        return False

    def back(self, way, client):
        while True:
            try:
                answer = way.recv(2000)
                if self.keep():
                    self.front.sendto(answer, client)
            except OSError:
                return

    def run(self):
        ways = {}
        while True:
            datagram, client = self.front.recvfrom(2000)
            if client not in ways:
                ways[client] = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
                ways[client].connect(self.hub)
                threading.Thread(target=self.back, args=(ways[client], client), daemon=True).start()
            if self.keep():
                ways[client].send(datagram)
