"""Optimisers of other packages as arms on tables, so that anybody can check how evobnn's searches compare."""

from __future__ import annotations

from evobnn.studies.compare.peers.search import PeerSearch
from evobnn.studies.compare.peers.strategies import PEERS, Peer

__all__ = ["PEERS", "Peer", "PeerSearch"]
