"""Plain nginx as the yardstick: one worker, keep-alive to the upstream, no access log."""

import os
import socket
import subprocess

from harness.eventually import eventually
from harness.http import Connection
from harness.processes import children

CONFIGURATION = """
worker_processes 1;
daemon off;
error_log stderr error;
pid {directory}/nginx.pid;
{user}
events {{ worker_connections 4096; }}
http {{
    access_log off;
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
    keepalive_requests 100000000;
    client_body_buffer_size 64k;
    proxy_buffers 8 64k;
    proxy_buffer_size 64k;
    proxy_busy_buffers_size 128k;
    upstream behind {{ server {upstream}; keepalive 64; keepalive_requests 100000000; }}
    server {{
        listen 127.0.0.1:{port} backlog=1024;
        location / {{ proxy_pass http://behind; proxy_http_version 1.1; proxy_set_header Connection ""; }}
    }}
}}
"""


class Nginx:
    def __init__(self, upstream_url, directory):
        # nginx cannot take "any port" and say which: ask the kernel for one that is free.
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        path = os.path.join(directory, "nginx.conf")
        with open(path, "w", encoding="ascii") as file:
            file.write(CONFIGURATION.format(
                directory=directory, port=port, upstream=upstream_url.split("/")[2],
                user="user root;" if os.geteuid() == 0 else ""))
        self.url = f"http://127.0.0.1:{port}/mcp"
        self.process = subprocess.Popen(["nginx", "-p", directory, "-c", path], stdin=subprocess.DEVNULL)
        eventually(self._serves, "nginx serves")

    def _serves(self):
        if self.process.poll() is not None:
            raise SystemExit("nginx did not start")
        try:
            Connection(self.url).close()
            # It listens before its worker runs.
            return len(self.pids) > 1
        except ConnectionRefusedError:
            return False

    @property
    def pids(self):
        return [self.process.pid, *(child.pid for child in children(self.process.pid))]

    def stop(self):
        self.process.terminate()
        self.process.wait()
