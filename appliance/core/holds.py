"""Cards that are not to be used, kept where every program of this appliance finds them."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from appliance.core.documents import from_json, to_json
from appliance.core.files import write_atomically
from appliance.core.inventory import Document, Inventory
from appliance.core.paths import Paths, private_directory
from appliance.core.status import Hold

_FILE = "holds.json"


class Holds(Document, frozen=True, kw_only=True, tag_field="schema", tag="appliance.holds/1"):
    """Every card that is held, by its id."""

    cards: dict[str, Hold] = {}


def load_holds(paths: Paths) -> dict[str, Hold]:
    """The cards that are held now. A file that cannot be read holds none."""
    try:
        return from_json((paths.state / _FILE).read_bytes(), Holds).cards
    except (OSError, msgspec.MsgspecError):
        return {}


def save_holds(paths: Paths, holds: Mapping[str, Hold]) -> None:
    """Keep exactly these, over restarts and power cuts. Raises `OSError`."""
    directory = private_directory(paths.state)
    document = Holds(cards=dict(holds))
    write_atomically(directory / _FILE, to_json(document, indent=2).encode(), mode=0o600)


def without_held(inventory: Inventory, paths: Paths) -> Inventory:
    """The server as far as it may be used."""
    held = load_holds(paths)
    free = [card for card in inventory.cards if card.id not in held]
    return msgspec.structs.replace(inventory, cards=free)
