"""Server as in tutorials: sends the numbers of psutil as lines, to one client at a time.

usage: tutorial_server.py [SECONDS [PORT]]
"""

import os
import socket
import sys
import time

import psutil


def numbers():
    frequency = psutil.cpu_freq()
    return [
        psutil.cpu_percent(),
        frequency.current if frequency else float("nan"),
        psutil.virtual_memory().percent,
        *os.getloadavg(),
    ]


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 0
    server = socket.create_server(("127.0.0.1", port))
    print(f"listening on 127.0.0.1:{server.getsockname()[1]}", flush=True)
    while True:
        client, _ = server.accept()
        with client:
            try:
                while True:
                    line = " ".join(str(number) for number in numbers())
                    client.sendall(f"{line}\n".encode())
                    time.sleep(seconds)
            except OSError:
                pass  # The client left. Waits for the next one.


if __name__ == "__main__":
    main()
