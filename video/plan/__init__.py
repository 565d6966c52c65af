"""Plans: what to fetch and decode for a set of frames, decided without any I/O."""

from .byte_ranges import EXACT, LOCAL, OBJECT_STORE, WEB, SourceCost
from .fetch_estimates import FetchEstimate, estimate_fetches
from .packets import packets
from .planner import fetch_shape, plan_read
from .read_plan import DecodeRun, FetchShape, ReadPlan, Strategy

__all__ = [
    "EXACT",
    "LOCAL",
    "OBJECT_STORE",
    "WEB",
    "DecodeRun",
    "FetchEstimate",
    "FetchShape",
    "ReadPlan",
    "SourceCost",
    "Strategy",
    "estimate_fetches",
    "fetch_shape",
    "packets",
    "plan_read",
]
