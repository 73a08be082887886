"""Servers whose certificates are right, or wrong in one way."""

import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

import trustme

HOST: Final = "127.0.0.1"
_PAST: Final = datetime(2020, 1, 1, tzinfo=UTC)


class Authority:
    """One that clients trust when they use `context`."""

    def __init__(self) -> None:
        self._authority = trustme.CA()
        self.context = ssl.create_default_context()
        self._authority.configure_trust(self.context)

    def right(self) -> ssl.SSLContext:
        return _server(self._authority.issue_cert(HOST))

    def of_another_name(self) -> ssl.SSLContext:
        return _server(self._authority.issue_cert("other.example"))

    def expired(self) -> ssl.SSLContext:
        return _server(self._authority.issue_cert(HOST, not_before=_PAST, not_after=_PAST.replace(year=2021)))

    def of_a_stranger(self) -> ssl.SSLContext:
        return _server(trustme.CA().issue_cert(HOST))

    def signed_by_itself(self) -> ssl.SSLContext:
        """An authority's own certificate in the place of a server's."""
        stranger = trustme.CA()
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        with stranger.cert_pem.tempfile() as certificate, stranger.private_key_pem.tempfile() as key:
            context.load_cert_chain(certificate, key)
        return context

    def old(self) -> ssl.SSLContext:
        """Right, but for a version of TLS that is not spoken any more (RFC 8996)."""
        context = self.right()
        context.minimum_version = ssl.TLSVersion.MINIMUM_SUPPORTED
        context.maximum_version = ssl.TLSVersion.TLSv1_1
        return context


WRONG: Final[Mapping[str, Callable[[Authority], ssl.SSLContext]]] = {
    "of another name": Authority.of_another_name,
    "expired": Authority.expired,
    "of a stranger": Authority.of_a_stranger,
    "signed by itself": Authority.signed_by_itself,
    "of an old version": Authority.old,
}


def _server(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
