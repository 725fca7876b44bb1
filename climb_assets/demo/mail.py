"""Bodies of e-mail messages.

What belongs here: headers, parts and quoting. A thread (one subject) is one article, each message a document.
"""

import email
import email.header
import re
from collections.abc import Iterator
from email.message import Message
from functools import partial

from climb_assets.demo.archives import Members
from climb_assets.demo.html import page_sections
from climb_assets.demo.pieces import Article, unwrap_text

QUOTED = re.compile(
    r"^\s*([>|:%#]|\w{1,4}>|On .{5,200} wrote:?\s*$|.{3,80} (wrote|writes|said):\s*$|In (message|article) .*)"
)
REST = re.compile(
    r"^(-- ?|_{10,}|-{20,}|={20,}|-+ ?Original Message ?-+.*|[-+]{2,}\[?ATTENTION.*|-{5,}BEGIN PGP.*)\s*$",
    re.IGNORECASE,
)
"""Where a signature, a list's footer or a forwarded message begins."""


def read_messages(members: Members) -> Iterator[Article]:
    """Yield one article for each message; those of a thread share its name."""
    for name, data in members.items():
        message = email.message_from_bytes(data)
        subject = _subject(message)
        yield Article(f"thread: {subject.lower() or name}", partial(_read, message, subject))


def _subject(message: Message) -> str:
    parts = []
    for text, charset in email.header.decode_header(message.get("Subject", "")):
        parts.append(_decode(text, charset) if isinstance(text, bytes) else text)
    subject = " ".join("".join(parts).split())
    return re.sub(r"^((re|fwd?|aw)(\[\d+\])?:\s*|\[[^\]]{1,30}\]\s*)+", "", subject, flags=re.IGNORECASE)


def _decode(data: bytes, charset: str | None) -> str:
    try:
        return data.decode(charset or "latin-1", "replace")
    except LookupError:  # a charset that nobody knows
        return data.decode("latin-1")


def _read(message: Message, subject: str) -> list[str]:
    texts = {part.get_content_type(): part for part in reversed(list(message.walk())) if not part.is_multipart()}
    part = texts.get("text/plain") or texts.get("text/html")
    if part is None:
        return []
    payload = part.get_payload(decode=True)
    body = _decode(payload, part.get_content_charset()) if isinstance(payload, bytes) else ""
    if part.get_content_type() == "text/html":
        body = "\n\n".join(page_sections(body.encode()))
    lines: list[str] = []
    for line in body.splitlines():
        if REST.match(line):
            break
        if not QUOTED.match(line):
            lines.append(line)
    text = "\n".join(lines).strip()
    return [f"{subject}\n\n{unwrap_text(text)}"] if text else []
