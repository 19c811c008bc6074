"""Each region's own hosts are asked."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from integration_tests.certificates import Certificates
from integration_tests.command_line import CommandLine
from sandbox import Sandbox

HOSTS = {
    "us": ("customerscanvashub.com", "api.customerscanvashub.com"),
    "eu": ("eu.customerscanvashub.com", "api.eu.customerscanvashub.com"),
    "au": ("au.customerscanvashub.com", "api.au.customerscanvashub.com"),
}


@contextmanager
def tunnel(port: int, certificates: Certificates) -> Iterator[tuple[int, list[str]]]:
    """A proxy that answers for every host with what serves on a port of this machine. Its port, and who was called."""
    called: list[str] = []
    context = certificates.server_context()

    def pump(source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        with suppress(OSError):
            target.shutdown(socket.SHUT_RDWR)

    def serve(client: socket.socket) -> None:
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
        called.append(head.split()[1].decode())
        client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
        with (
            suppress(OSError),
            context.wrap_socket(client, server_side=True) as inside,
            socket.create_connection(("127.0.0.1", port)) as server,
        ):
            answering = threading.Thread(target=pump, args=(server, inside))
            answering.start()
            pump(inside, server)
            answering.join()

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        accepting = threading.Thread(target=accept, daemon=True)
        accepting.start()
        yield listener.getsockname()[1], called
        listener.shutdown(socket.SHUT_RDWR)
        accepting.join()


def test_given_each_region_when_checked_then_its_own_hosts_are_asked_over_https(tmp_path: Path) -> None:
    trusted = Certificates.make(tmp_path, *(host for hosts in HOSTS.values() for host in hosts))
    with Sandbox(projects=1) as sandbox, tunnel(int(sandbox.url.rpartition(":")[2]), trusted) as (port, called):
        environment = {"HTTPS_PROXY": f"http://127.0.0.1:{port}", "REQUESTS_CA_BUNDLE": str(trusted.authority)}
        command = CommandLine(tmp_path, {**environment, "NO_PROXY": "", "no_proxy": ""})
        for region, hosts in HOSTS.items():
            run = command.check(sandbox.config(environment={"region": region}))
            assert run.connection_status == {"status": "SUCCEEDED"}
            assert set(called) == {f"{host}:443" for host in hosts}
            called.clear()
        assert command.check({"client_id": "sandbox", "client_secret": "sandbox-secret"}).exit_code == 0
        assert set(called) == {f"{host}:443" for host in HOSTS["us"]}
