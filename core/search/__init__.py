"""Search over the continuous and whole parameters of a model: temperature, top_p, max_tokens.

``Searcher`` is the search, ``SearchState`` its state; ``propose`` and ``Solver`` let its one
expensive step be computed elsewhere.
"""

from core.search.names import proposal_arm, proposal_number
from core.search.proposal import DIRECT, Proposal, Solver, Task, propose
from core.search.searcher import Searcher, SearchReport
from core.search.state import Ending, SearchState

__all__ = [
    "DIRECT",
    "Ending",
    "Proposal",
    "SearchReport",
    "SearchState",
    "Searcher",
    "Solver",
    "Task",
    "proposal_arm",
    "proposal_number",
    "propose",
]
