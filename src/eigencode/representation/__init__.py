"""Read a network at any place: representations as functions, and the layers behind them."""

from eigencode.representation.at import Code, at

__all__ = ["Code", "at"]
