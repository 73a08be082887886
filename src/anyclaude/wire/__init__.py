"""Shapes and grammars of what crosses a socket. Pure: bytes or values in, values or bytes out."""
