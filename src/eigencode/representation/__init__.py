"""Representations at any place of a network as functions, and closed forms of its layers."""

from eigencode.representation.at import Code, Reader, at, between
from eigencode.representation.layers import OneLayer
from eigencode.representation.reduce import reducer
from eigencode.representation.trace import Places, places, trace

__all__ = ["Code", "OneLayer", "Places", "Reader", "at", "between", "places", "reducer", "trace"]
