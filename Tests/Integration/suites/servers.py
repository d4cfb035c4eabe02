"""Real servers on free loopback ports, each with a folder of its own, stopped by pid."""

import os
import random
import shutil
import socket
import subprocess
import time


def free_port():
    """A port below the range from which the kernel takes those of outgoing connections."""
    while True:
        port = random.randrange(11000, 32000)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


class Server:
    """One child process that answers PING on a port."""

    def __init__(self, name, command, port, folder):
        self.name, self.port, self.log = name, port, os.path.join(folder, name + ".log")
        with open(self.log, "w") as output:
            self.process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=output,
                                            stderr=subprocess.STDOUT)
        deadline = time.monotonic() + 15
        while not self.answers():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.stop()
                with open(self.log, errors="replace") as file:
                    raise RuntimeError(f"{name} does not answer on port {port}: {file.read()[-1500:]}")
            time.sleep(0.02)

    def answers(self):
        try:
            with socket.create_connection(("127.0.0.1", self.port), 1) as connection:
                connection.settimeout(1)
                connection.sendall(b"*1\r\n$4\r\nPING\r\n")
                return connection.recv(64).startswith(b"+PONG")
        except OSError:
            return False

    def lives(self):
        return self.process.poll() is None

    def stop(self):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()


def redis(folder):
    port = free_port()
    return Server("redis", ["redis-server", "--bind", "127.0.0.1", "--port", str(port), "--save", "", "--appendonly",
                            "no", "--dir", folder], port, folder)


def proxy(kind, upstream, folder, binary):
    """The proxy under test before the Redis on port `upstream`."""
    port = free_port()
    if kind == "weir":
        text = f"""workers: 1
sources:
  - Redis:
      name: redis
      listen_addr: "127.0.0.1:{port}"
      connection_limit: 5000
      chain:
        - QueryCounter: {{name: first, counter_name: first}}
        - QueryCounter: {{name: second, counter_name: second}}
        - QueryTypeFilter: {{name: filter, AllowList: [Read, Write, ReadWrite, SchemaChange, PubSubMessage]}}
        - RedisSinkSingle: {{name: sink, remote_address: "127.0.0.1:{upstream}", connect_timeout_ms: 3000}}
"""
        return Server("weir", [binary, "run", write(folder, "topology.yaml", text)], port, folder)
    if kind == "haproxy":
        text = f"""global
    maxconn 9000
defaults
    mode tcp
    timeout connect 3s
    timeout client 1h
    timeout server 1h
listen redis
    bind 127.0.0.1:{port}
    server redis 127.0.0.1:{upstream}
"""
        return Server("haproxy", [program("haproxy"), "-db", "-f", write(folder, "haproxy.cfg", text)], port, folder)
    if kind == "twemproxy":
        text = f"""redis:
  listen: 127.0.0.1:{port}
  hash: fnv1a_64
  distribution: ketama
  redis: true
  server_connections: 1
  servers:
   - 127.0.0.1:{upstream}:1
"""
        return Server("twemproxy", [program("nutcracker"), "-c", write(folder, "nutcracker.yml", text), "-a",
                                    "127.0.0.1", "-s", str(free_port())], port, folder)
    raise ValueError(kind)


def program(name):
    return shutil.which(name) or f"/usr/sbin/{name}"


def write(folder, name, text):
    path = os.path.join(folder, name)
    with open(path, "w") as file:
        file.write(text)
    return path
