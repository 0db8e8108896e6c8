"""What the Python services share: a small HTTP server and a small PostgreSQL client."""

import json
import os
import signal
import socket
import struct
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit


class DatabaseError(Exception):
    pass


def literal(value):
    """`value` as an SQL literal."""
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = str(value).replace("\0", "").replace("'", "''")
    # Backslashes mean nothing in it, since standard_conforming_strings is on by default.
    return f"'{text}'"


def query(sql):
    """Runs `sql` on a connection of its own and returns its rows as dictionaries.

    Speaks the simple query protocol without a password:
    https://www.postgresql.org/docs/15/protocol-flow.html
    """
    address = (os.environ.get("DB_HOST", "db"), 5432)
    with socket.create_connection(address, timeout=5) as connection:
        stream = connection.makefile("rwb")
        startup = struct.pack("!i", 196608) + b"user\0shop\0database\0shop\0\0"
        stream.write(struct.pack("!i", len(startup) + 4) + startup)
        text = sql.encode() + b"\0"
        stream.write(b"Q" + struct.pack("!i", len(text) + 4) + text)
        stream.flush()
        names, rows, ready = [], [], 0
        while ready < 2:
            head = stream.read(5)
            if len(head) < 5:
                raise DatabaseError("the database closed the connection")
            kind, length = head[:1], struct.unpack("!i", head[1:])[0]
            body = stream.read(length - 4)
            if kind == b"E":
                fields = dict((part[:1], part[1:].decode()) for part in body.split(b"\0") if part)
                raise DatabaseError(fields.get(b"M", "unknown error"))
            if kind == b"R" and struct.unpack("!i", body[:4])[0] != 0:
                raise DatabaseError("the database wants a password")
            if kind == b"T":
                names = _names(body)
            elif kind == b"D":
                rows.append(dict(zip(names, _values(body))))
            elif kind == b"Z":
                # Once after the start, once after the query.
                ready += 1
        stream.write(b"X" + struct.pack("!i", 4))
        stream.flush()
        return rows


def _names(body):
    names, at = [], 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        end = body.index(b"\0", at)
        names.append(body[at:end].decode())
        at = end + 19
    return names


def _values(body):
    values, at = [], 2
    for _ in range(struct.unpack("!h", body[:2])[0]):
        length = struct.unpack("!i", body[at : at + 4])[0]
        at += 4
        if length < 0:
            values.append(None)
        else:
            values.append(body[at : at + length].decode())
            at += length
    return values


def serve(routes):
    """Serves `routes`, a map from (method, path) to a function of the query's parameters."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def answer(self):
            url = urlsplit(self.path)
            if url.path == "/healthz":
                return self.send(200, {"ok": True})
            route = routes.get((self.command, url.path))
            if route is None:
                return self.send(404, {"error": "no such thing"})
            try:
                return self.send(200, route(**dict(parse_qsl(url.query))))
            except TypeError as error:
                return self.send(400, {"error": str(error)})
            except (DatabaseError, OSError) as error:
                print(f"{self.command} {url.path}: {error}", file=sys.stderr)
                return self.send(503, {"error": str(error)})

        do_GET = do_POST = do_DELETE = answer

        def send(self, status, value):
            body = (json.dumps(value) + "\n").encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, message, *args):
            if self.path != "/healthz":
                print(self.client_address[0], message % args)

    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    port = int(os.environ.get("PORT", "8080"))
    print(f"listening on {port}")
    ThreadingHTTPServer(("", port), Handler).serve_forever()
