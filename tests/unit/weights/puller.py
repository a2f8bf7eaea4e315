"""A pull in a process of its own, to be killed: `python puller.py STORE REFERENCE`."""

from __future__ import annotations

import sys
from pathlib import Path

from appliance.catalog.models import Catalogue
from appliance.core.documents import to_json
from appliance.core.reference import parse_reference
from appliance.weights.pull import pull, request_for
from appliance.weights.store import Store


def main() -> None:
    """Pull, one JSON document on each line, the pull/1 last."""
    request = request_for(parse_reference(sys.argv[2]), Catalogue((), ""))
    store = Store(Path(sys.argv[1]), floor_bytes=0)
    done = pull(request, store, on_progress=lambda progress: print(to_json(progress), flush=True))
    print(to_json(done), flush=True)


if __name__ == "__main__":
    main()
