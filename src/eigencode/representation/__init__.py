"""Representations at any place of a network as functions, and closed forms of its layers."""

from eigencode.representation.at import Code as Code, Reader as Reader, at as at, between as between
from eigencode.representation.layers import OneLayer as OneLayer
from eigencode.representation.reduce import reducer as reducer
from eigencode.representation.trace import Places as Places, places as places, trace as trace
