"""What goes over the wire: AWS's errors in the words of each service, and what WSGI needs."""

import io
import re
import socket
from xml.sax.saxutils import escape

REASONS = {400: "Bad Request", 403: "Forbidden", 500: "Internal Server Error"}


class Refusal(Exception):
    def __init__(self, code, message, status=400):
        super().__init__(code)
        self.code = code
        self.message = message
        self.status = status


def refusal(service, refused):
    """Status line, headers and body."""
    code, message = escape(refused.code), escape(refused.message)
    error = f"<Code>{code}</Code><Message>{message}</Message>"
    if service == "ec2":
        errors = f"<Errors><Error>{error}</Error></Errors>"
        body = f"<Response>{errors}<RequestID>0</RequestID></Response>"
    elif service == "s3":
        body = f"<Error>{error}</Error>"
    else:
        body = f"<ErrorResponse><Error>{error}</Error><RequestId>0</RequestId></ErrorResponse>"
    headers = [("Content-Type", "text/xml"), ("Content-Length", str(len(body.encode())))]
    status = f"{refused.status} {REASONS.get(refused.status, 'Service Unavailable')}"
    return status, headers, body.encode()


def code_of(status, body):
    """`ok`, or the code of the error that moto answered with."""
    if status.startswith("2"):
        return "ok"
    found = re.search(rb"<Code>([^<]*)</Code>", body)
    return found[1].decode() if found else status


def collect(application, environ):
    """Runs a WSGI application to its end: status line, headers and body."""
    answered = []
    parts = application(environ, lambda status, headers, *_: answered.append((status, headers)))
    try:
        body = b"".join(parts)
    finally:
        if hasattr(parts, "close"):
            parts.close()
    return (*answered[-1], body)


def set_body(environ, body):
    environ["CONTENT_LENGTH"] = str(len(body))
    environ["wsgi.input"] = io.BytesIO(body)


def close(environ):
    """Ends the connection; who waits for an answer sees that it ended."""
    try:
        environ["werkzeug.socket"].shutdown(socket.SHUT_RDWR)
    except OSError:
        # They did not wait for it.
        pass


S3_BUCKET = {"GET": "ListObjects", "PUT": "CreateBucket", "HEAD": "HeadBucket"}
S3_BUCKET |= {"DELETE": "DeleteBucket", "POST": "DeleteObjects"}


def s3_action(environ):
    """The name of an operation of S3, from the method and from how long the path is."""
    method = environ["REQUEST_METHOD"]
    bucket, _, key = environ["PATH_INFO"].strip("/").partition("/")
    if not bucket:
        return "ListBuckets"
    if key:
        return f"{method.capitalize()}Object"
    # A signature may stand before them.
    settings = {one.partition("=")[0] for one in environ.get("QUERY_STRING", "").split("&")}
    known = {"tagging": "BucketTagging", "publicAccessBlock": "PublicAccessBlock"}
    for setting in settings & known.keys():
        return f"{method.capitalize()}{known[setting]}"
    return S3_BUCKET.get(method, method)
