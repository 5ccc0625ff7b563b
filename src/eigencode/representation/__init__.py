"""Read a network at any place: representations as functions, and the layers behind them."""

from eigencode.representation.at import Code, Reader, at, between
from eigencode.representation.layers import OneLayer
from eigencode.representation.reduce import reducer
from eigencode.representation.trace import Places, places, trace

__all__ = ["Code", "OneLayer", "Places", "Reader", "at", "between", "places", "reducer", "trace"]
